"""A provider of OpenID Connect, as it is met from here: where it sends people, and whom it sends back.

Only what comes from the provider itself is believed, and only as far as its keys have signed it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from pydantic import BaseModel, ValidationError

from maskloom.platform.account_facts import Identity
from maskloom.platform.errors import MaskloomError
from maskloom.platform.settings import Settings
from maskloom.services.errors import NotSignedIn

Kept = TypeVar("Kept")
_SIGNATURES = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
]
"""Only those of which the public key is no secret to sign with: no HS256, and never none."""
_FRESH_S = 3600.0
_FAILED_S = 5.0
_PATIENCE_S = 5.0
_LEEWAY_S = 60
"""So much may clocks differ."""
_LONGEST_SUBJECT = 255
_SCOPE = "openid profile email"


class ProviderUnavailable(MaskloomError):
    """The provider with which people sign in cannot be reached, or answers nonsense."""

    exit_code = 75


class _Metadata(BaseModel):
    """What the provider says of itself (OpenID Connect Discovery, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]


class Provider:
    """The provider of settings that have one: `name` is its host, `redirect_url` where it sends people back to."""

    def __init__(self, settings: Settings) -> None:
        secret = settings.oidc_client_secret
        self._issuer = settings.oidc_issuer or ""
        self._client = settings.oidc_client_id or ""
        self._secret = secret.get_secret_value() if secret else ""
        self.name = str(urlsplit(self._issuer).hostname)
        self.redirect_url = f"{settings.url}/api/v1/session/oidc/callback"
        self._metadata = _Cached(self._discover)
        self._keys = _Cached(self._fetch_keys)

    def sign_in_url(self, *, state: str, nonce: str, verifier: str) -> str:
        """Where the browser of somebody who wants to sign in is sent. Raises ProviderUnavailable."""
        url: str = prepare_grant_uri(
            self._metadata.get().authorization_endpoint,
            self._client,
            "code",
            redirect_uri=self.redirect_url,
            scope=_SCOPE,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return url

    def identity(self, code: str, *, nonce: str, verifier: str) -> Identity:
        """Whom the provider sent back with that code. Raises NotSignedIn, ProviderUnavailable."""
        tokens = self._exchange(code, verifier)
        token = tokens.get("id_token")
        if not isinstance(token, str):
            raise ProviderUnavailable(f"the provider {self.name} did not say who signed in", hint=_HINT)
        claims = self._checked(token, nonce, tokens.get("access_token"))
        names = (claims.get("preferred_username"), claims.get("email"))
        return Identity(
            issuer=self._issuer,
            subject=claims["sub"],
            names=tuple(name for name in names if isinstance(name, str)),
        )

    def _exchange(self, code: str, verifier: str) -> dict[str, Any]:
        metadata = self._metadata.get()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_url,
            "code_verifier": verifier,
        }
        known = (quote(self._client, safe=""), quote(self._secret, safe=""))
        if "client_secret_basic" not in metadata.token_endpoint_auth_methods_supported:
            form |= {"client_id": self._client, "client_secret": self._secret}
            answer = self._ask("POST", metadata.token_endpoint, data=form)
        else:
            answer = self._ask("POST", metadata.token_endpoint, data=form, auth=known)
        content = self._json(answer)
        if answer.status_code == httpx.codes.BAD_REQUEST and content.get("error") == "invalid_grant":
            raise refused(self.name, "the code is not one any more, or was not meant for this browser")
        if answer.is_error or "error" in content:
            raise ProviderUnavailable(f"the provider {self.name} refuses maskloom itself", hint=_HINT)
        return content

    def _checked(self, token: str, nonce: str, access_token: object) -> CodeIDToken:
        try:
            signed = self._signed(token)
            claims = CodeIDToken(
                signed.claims,
                signed.header,
                {
                    "iss": {"essential": True, "value": self._issuer},
                    "aud": {"essential": True, "value": self._client},
                },
                {"nonce": nonce, "client_id": self._client, "access_token": access_token},
            )
            claims.validate(leeway=_LEEWAY_S)
        except (JoseError, ValueError, TypeError) as error:
            raise refused(self.name, f"its word does not hold ({_kind(error)})") from error
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or "\0" in subject:
            raise refused(self.name, "its word does not hold (sub)")
        return claims

    def _signed(self, token: str) -> jwt.Token:
        registry = JWSRegistry(algorithms=_SIGNATURES, strict_check_header=False)
        try:
            return jwt.decode(token, self._keys.get(), registry=registry)
        except (InvalidKeyIdError, BadSignatureError):
            # It may have new keys since.
            return jwt.decode(token, self._keys.get(anew=True), registry=registry)

    def _discover(self) -> _Metadata:
        answer = self._ask("GET", f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        try:
            metadata = _Metadata.model_validate(self._json(answer))
        except ValidationError as error:
            raise ProviderUnavailable(
                f"the provider {self.name} does not describe itself", hint=_HINT
            ) from error
        if metadata.issuer != self._issuer:
            raise ProviderUnavailable(
                f"the provider {self.name} calls itself another than MASKLOOM_OIDC_ISSUER",
                hint="An admin has to write the issuer exactly as the provider does.",
            )
        return metadata

    def _fetch_keys(self) -> KeySet:
        content: Any = self._json(self._ask("GET", self._metadata.get().jwks_uri))
        try:
            return KeySet.import_key_set(content)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ProviderUnavailable(
                f"the provider {self.name} has no keys that can be used", hint=_HINT
            ) from error

    def _ask(self, method: str, url: str, **content: Any) -> httpx.Response:
        try:
            return httpx.request(method, url, timeout=_PATIENCE_S, **content)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProviderUnavailable(f"the provider {self.name} does not answer", hint=_HINT) from error

    def _json(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            content = answer.json()
        except ValueError:
            content = None
        if answer.is_server_error or not isinstance(content, dict):
            raise ProviderUnavailable(f"the provider {self.name} answers nonsense", hint=_HINT)
        return content


_HINT = "Try again in a while, or sign in with a password. If it stays so, tell an admin."


class _Cached(Generic[Kept]):
    """What `fetch` gives, fetched again after an hour, or when somebody needs it anew.

    A failure is kept for some seconds: those who wait behind one that waited in vain are told at once.
    """

    def __init__(self, fetch: Callable[[], Kept]) -> None:
        self._fetch = fetch
        self._guard = threading.Lock()
        self._kept: tuple[Kept, float] | None = None
        self._failed: tuple[ProviderUnavailable, float] | None = None

    def get(self, *, anew: bool = False) -> Kept:
        with self._guard:
            now = time.monotonic()
            if not anew and self._kept is not None and now < self._kept[1] + _FRESH_S:
                return self._kept[0]
            if self._failed is not None and now < self._failed[1] + _FAILED_S:
                raise self._failed[0]
            try:
                self._kept = self._fetch(), now
            except ProviderUnavailable as error:
                self._failed = error, time.monotonic()
                raise
            return self._kept[0]


def refused(name: str, reason: str) -> NotSignedIn:
    """What to raise for somebody whom the provider does not vouch for; `reason` holds nothing that they wrote."""
    return NotSignedIn(
        f"the provider {name} did not sign you in: {reason}", hint="Begin again at the sign-in page."
    )


def _kind(error: Exception) -> str:
    """What is wrong with a token, in a word: errors' own texts may quote it."""
    claim = getattr(error, "claim", None)
    return str(claim) if claim else type(error).__name__.removesuffix("Error")
