"""A provider of OpenID Connect on 127.0.0.1, with real keys, which also does what none should."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT, SECRET = "maskloom", "s3cret of the client: %&+"
HANNA = {"sub": "7f3a", "preferred_username": "Hanna", "email": "hanna@hospital.example"}


def _new_key() -> RSAKey:
    key = RSAKey.generate_key(2048)
    key.ensure_kid()
    return key


@dataclass(slots=True)
class OidcProvider:
    """Signs everybody in as `person`. `trick`: what it does wrong, by name; empty for nothing."""

    issuer: str
    person: dict[str, Any] = field(default_factory=lambda: dict(HANNA))
    trick: str = ""
    asked: list[str] = field(default_factory=list)
    former: RSAKey = field(default_factory=_new_key)
    key: RSAKey = field(default_factory=_new_key)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def settings(self, url: str) -> dict[str, str]:
        """What makes a maskloom at `url` use it."""
        return {
            "url": url,
            "oidc_issuer": self.issuer,
            "oidc_client_id": CLIENT,
            "oidc_client_secret": SECRET,
        }

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        }

    def keys(self) -> dict[str, Any]:
        return dict(KeySet([self.key]).as_dict(private=False))

    def rotate(self) -> None:
        """From now on another key signs, and the one before is no key any more."""
        self.former, self.key = self.key, _new_key()

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser of somebody who has signed in is sent."""
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        answer = {"code": code, "state": query["state"], "iss": self.issuer}
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The answer to who brings a code: each is good once, and only for who has what it was asked for with."""
        user, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if (unquote(user), unquote(password)) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form["code"], None)
        if (
            asked is None
            or asked["redirect_uri"] != form["redirect_uri"]
            or asked["code_challenge_method"] != "S256"
            or create_s256_code_challenge(form["code_verifier"]) != asked["code_challenge"]
        ):
            return 400, {"error": "invalid_grant"}
        if self.trick == "nonsense":
            return 200, {"id_token": 17}
        return 200, {"access_token": "a", "token_type": "Bearer", "id_token": self._id_token(asked["nonce"])}

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = self.person | {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
        }
        claims |= {
            "wrong nonce": {"nonce": "another"},
            "wrong audience": {"aud": "another"},
            "several audiences": {"aud": [CLIENT, "another"], "azp": "another"},
            "expired": {"exp": now - 300},
            "not yet": {"iat": now + 900, "nbf": now + 900},
            "other issuer": {"iss": "http://localhost:1"},
            "odd subject": {"sub": ["7f3a"]},
            "hash of another token": {"at_hash": "AAAA"},
        }.get(self.trick, {})
        claims = {name: value for name, value in claims.items() if self.trick != f"no {name}"}
        if self.trick == "alg none":
            parts = ({"alg": "none", "kid": self.key.kid}, claims)
            return ".".join(_encoded(json.dumps(part).encode()) for part in parts) + "."
        if self.trick == "HS256 with the public key":
            parts = ({"alg": "HS256", "kid": self.key.kid}, claims)
            content = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
            public = self.key.as_pem(private=False)
            return f"{content}.{_encoded(hmac.digest(public, content.encode(), 'sha256'))}"
        if self.trick == "changed":
            head, _, signature = self._signed(claims).split(".")
            return ".".join((head, _encoded(json.dumps(claims | {"sub": "root"}).encode()), signature))
        if self.trick in {"former key", "former key under the new name"}:
            named = self.key if self.trick.endswith("name") else self.former
            return jwt.encode({"alg": "RS256", "kid": named.kid}, claims, self.former)
        return "nonsense" if self.trick == "no token" else self._signed(claims)

    def _signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)


@contextmanager
def oidc_provider() -> Iterator[OidcProvider]:
    """A provider for as long as the context lasts. To a browser it is another site than 127.0.0.1."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        provider = _Handler.provider = OidcProvider(issuer=f"http://localhost:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    provider: OidcProvider

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.provider.asked.append(path)
        if path == "/.well-known/openid-configuration":
            self._json(200, self.provider.metadata())
        elif path == "/keys":
            self._json(200, self.provider.keys())
        else:
            self._answer(
                200, "text/html", b"<title>Hospital</title><form method=post><button>Sign in</button>"
            )

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.provider.asked.append(parts.path)
        if parts.path == "/token":
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._json(*self.provider.token(form, self.headers["Authorization"]))
            return
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self._answer(303, "text/plain", b"", Location=self.provider.authorize(query))

    def _json(self, status: int, content: dict[str, Any]) -> None:
        self._answer(status, "application/json", json.dumps(content).encode())

    def _answer(self, status: int, kind: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Type": kind, "Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
