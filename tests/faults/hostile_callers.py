"""Every operation, asked by who is not who they say: forged, ended and other people's cookies and tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection

from faults.hostile_attack import Attack
from faults.hostile_routes import Operation, operations, promises
from faults.hostile_scene import Target
from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import credentials
from maskloom.services.access import passwords
from support.service import ADMIN, CLOSED, STRANGER

_COOKIE = "maskloom_session"
_GONE = timedelta(hours=-1)
_HOUR = timedelta(hours=1)
Headers = dict[str, str]


def caller_attacks(target: Target) -> Iterator[Attack]:
    """Each operation that not everybody may ask, as each of them."""
    forged, foreign, strangers = _forged(target), _foreign(target), _strangers(target)
    granted = promises()
    for operation in operations(target):
        if granted[operation.name, "nobody"] or operation.name.endswith("/file"):
            continue
        for kind, headers in forged.items():
            yield _attack(operation, kind, headers)
        for kind, headers in foreign.items() if operation.changes else ():
            yield _attack(operation, kind, headers)
        for person, kinds in strangers.items():
            if granted[operation.name, person]:
                continue
            for kind, headers in kinds.items():
                yield replace(_attack(operation, kind, headers), sees=person != STRANGER)


def _attack(operation: Operation, kind: str, headers: Headers) -> Attack:
    content = {} if operation.content is None else {"Content-Type": "application/json"}
    return Attack(
        kind=kind,
        operation=operation.name,
        target=operation.target(),
        headers=headers | content,
        body=operation.body(),
        secrets=tuple(value for name, value in headers.items() if name in {"Authorization", "Cookie"}),
    )


def _forged(target: Target) -> dict[str, Headers]:
    """Nobody's, which once were or never will be somebody's."""
    token, cookie = target.tokens[ADMIN], target.service.as_(ADMIN).cookie.partition("=")[2]
    _, known_id, secret = token.split("_", 2)
    unsigned = {"sub": ADMIN, "admin": True, "exp": 4102444800}
    tokens = {
        "a token with another secret": f"mlm_{known_id}_{secrets.token_urlsafe(32)}",
        "a token with another's id": f"mlm_{target.tokens['vera'].split('_')[1]}_{secret}",
        "a token cut off": token[:-1],
        "a token with more": token + "A",
        "a token in capitals": token.upper(),
        "a token with SQL": f"mlm_{known_id}_' OR '1'='1",
        "a token that is its own hash": f"mlm_{known_id}_{passwords.digest_of(secret)}",
        "an expired token": _expired_token(target),
        "a revoked token": _revoked_token(target),
        "a JWT of the algorithm none": _jwt({"alg": "none"}, unsigned, b""),
        "a JWT signed with nothing": _jwt({"alg": "HS256"}, unsigned, b""),
        "a JWT signed with what is public": _jwt(
            {"alg": "HS256", "kid": "../../dev/null"}, unsigned, b"maskloom"
        ),
        "a cookie as a token": cookie,
    }
    cookies = {
        "a cookie that was guessed": secrets.token_urlsafe(32),
        "a cookie that is its own hash": passwords.digest_of(cookie),
        "a cookie cut off": cookie[:-1],
        "a cookie with SQL": "x' OR '1'='1",
        "an expired session": _session(target, _GONE),
        "a session that has ended": _session(target, _HOUR, end=True),
        "a token as a cookie": token,
    }
    basic = base64.b64encode(f"{ADMIN}:{token}".encode()).decode()
    others = {
        "nothing at all": {},
        "a password in the header": {"Authorization": f"Basic {basic}"},
        "a token of another scheme": {"Authorization": f"Token {token}"},
        "a proxy's word for who asks": {
            **dict.fromkeys(("X-Forwarded-User", "X-Remote-User", "Remote-User", "X-WEBAUTH-USER"), ADMIN),
            "X-Forwarded-For": "127.0.0.1",
            "X-Real-IP": "127.0.0.1",
            "Forwarded": "for=127.0.0.1",
        },
        "another address in the header": {"X-Original-URL": "/healthz", "X-Rewrite-URL": "/healthz"},
        "another method in the header": {"X-HTTP-Method-Override": "OPTIONS", "X-Method": "HEAD"},
        "another host": {"Host": "evil.example", "X-Forwarded-Host": "127.0.0.1"},
    }
    return {
        **{kind: {"Authorization": f"Bearer {text}"} for kind, text in tokens.items()},
        **{kind: {"Cookie": f"{_COOKIE}={text}"} for kind, text in cookies.items()},
        **others,
    }


def _foreign(target: Target) -> dict[str, Headers]:
    """Changes that another site's page has an admin's browser send."""
    browser = target.service.as_(ADMIN)
    cookie, right = {"Cookie": browser.cookie}, {"X-CSRF-Token": browser.csrf}
    return {
        "a cookie without its CSRF token": cookie,
        "a cookie with another's CSRF token": cookie | {"X-CSRF-Token": target.service.as_("vera").csrf},
        "a cookie with a CSRF token of other letters": cookie | {"X-CSRF-Token": "é" * 64},
        "a cookie from another site": cookie | right | {"Sec-Fetch-Site": "cross-site"},
        "a cookie from a site beside": cookie | right | {"Sec-Fetch-Site": "same-site"},
        "a cookie from another origin": cookie | right | {"Origin": "https://evil.example"},
        "a cookie from no origin": cookie | right | {"Origin": "null"},
        "a cookie and a wrong token": cookie | right | {"Authorization": "Bearer mlm_0_0"},
    }


def _strangers(target: Target) -> dict[str, dict[str, Headers]]:
    """By the column of docs/security.md: people who are who they say, and ask for more than they may."""
    viewers = made_token(target.platform, ADMIN, Role.VIEWER)
    elsewhere = made_token(target.platform, ADMIN, dataset=CLOSED)

    def both(person: str) -> dict[str, Headers]:
        browser = target.service.as_(person)
        return {
            "somebody else's token": {"Authorization": f"Bearer {target.tokens[person]}"},
            "somebody else's session": {"Cookie": browser.cookie, "X-CSRF-Token": browser.csrf},
        }

    return {
        STRANGER: {
            **both(STRANGER),
            "an admin's token for another data set": {"Authorization": f"Bearer {elsewhere}"},
        },
        "vera": {**both("vera"), "an admin's token to look": {"Authorization": f"Bearer {viewers}"}},
    }


def made_token(
    platform: Platform,
    account: str,
    role: Role = Role.ADMIN,
    dataset: str | None = None,
    lifetime: timedelta = _HOUR,
) -> str:
    """The text of a token that nobody has asked the API for."""
    token_id, secret = secrets.token_hex(8), passwords.new_secret()
    platform.database.transaction(
        lambda c: credentials.add_token(
            c,
            passwords.digest_of(secret),
            lifetime,
            token_id=token_id,
            account=account,
            label="made beforehand",
            role=role,
            dataset=dataset,
        )
    )
    return f"mlm_{token_id}_{secret}"


def _expired_token(target: Target) -> str:
    return made_token(target.platform, ADMIN, lifetime=_GONE)


def _revoked_token(target: Target) -> str:
    token = made_token(target.platform, ADMIN)
    target.platform.database.transaction(lambda c: credentials.end_token(c, ADMIN, token.split("_")[1]))
    return token


def _session(target: Target, lifetime: timedelta, *, end: bool = False) -> str:
    secret = passwords.new_secret()
    digest = passwords.digest_of(secret)

    def add(connection: Connection) -> None:
        credentials.add_session(connection, digest, ADMIN, lifetime, "127.0.0.1")
        if end:
            credentials.end_session(connection, digest)

    target.platform.database.transaction(add)
    return secret


def _jwt(header: dict[str, str], content: dict[str, object], key: bytes) -> str:
    def packed(part: bytes) -> str:
        return base64.urlsafe_b64encode(part).rstrip(b"=").decode()

    text = ".".join(packed(json.dumps(part).encode()) for part in (header | {"typ": "JWT"}, content))
    sign: Callable[[], bytes] = lambda: hmac.digest(key, text.encode(), hashlib.sha256)  # noqa: E731
    return f"{text}.{'' if header['alg'] == 'none' else packed(sign())}"
