"""A token is taken only where we signed it, for us, for now, and with claims that are ours."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import pytest

from engine import tokens
from engine.known_tokens import KnownTokens
from engine.tokens import EVERY_ACCOUNT, ROLES, Identity, InvalidToken

SECRET = "a secret of the tests, longer than thirty-two bytes"
OTHER_SECRET = "another secret of the tests, as long as the first"
ANN = Identity("ann", "trader", ("ann", "shared"))
PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK\n-----END PUBLIC KEY-----\n"


def now() -> int:
    return int(time.time())


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims, with some changed; None takes one out."""
    good = {
        "sub": "ann",
        "role": "trader",
        "accounts": ["ann"],
        "iss": tokens.ISSUER,
        "aud": tokens.AUDIENCE,
        "iat": now(),
        "nbf": now(),
        "exp": now() + 60,
        "jti": "1",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def encode(part: Any) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")


def forge(header: dict[str, Any], payload: dict[str, Any], key: str | None, digest: str = "sha256") -> str:
    """A token put together by hand: any header over any signature."""
    body = encode(header) + b"." + encode(payload)
    signature = b"" if key is None else hmac.digest(key.encode(), body, digest)
    return (body + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


@pytest.mark.parametrize("role", ROLES)
def test_round_trip(role: str) -> None:
    identity = Identity("someone", role, ("one", "two"), session="login")
    at = now()
    token = tokens.issue(SECRET, identity, now_s=at, lifetime_s=60)
    assert tokens.verify(SECRET, token) == identity._replace(expires_s=at + 60)
    refresh = tokens.issue_refresh(SECRET, identity, 3, now_s=at, lifetime_s=90)
    assert tokens.verify_refresh(SECRET, refresh) == (identity._replace(expires_s=at + 90), 3)


def test_a_token_is_good_for_one_purpose() -> None:
    identity = Identity("ann", "trader", ("ann",), session="login")
    with pytest.raises(InvalidToken):
        tokens.verify(SECRET, tokens.issue_refresh(SECRET, identity, 0, now_s=now(), lifetime_s=60))
    with pytest.raises(InvalidToken):
        tokens.verify_refresh(SECRET, tokens.issue(SECRET, identity, now_s=now(), lifetime_s=60))
    for generation in (None, "0", -1):
        forged = forge({"alg": "HS256"}, claims(aud=tokens.REFRESH_AUDIENCE, sid="login", gen=generation), SECRET)
        with pytest.raises(InvalidToken):
            tokens.verify_refresh(SECRET, forged)


def test_a_token_without_a_session_is_one_by_itself() -> None:
    first, second = (
        tokens.verify(SECRET, tokens.issue(SECRET, Identity("a", "viewer", ()), now_s=now(), lifetime_s=60)).session
        for _ in range(2)
    )
    assert first
    assert first != second


def test_the_hand_made_token_of_these_tests_is_good() -> None:
    """Otherwise the refusals below would prove nothing."""
    assert tokens.verify(SECRET, forge({"alg": "HS256", "typ": "JWT"}, claims(), SECRET)).actor == "ann"


def test_two_tokens_are_never_the_same() -> None:
    issued = [tokens.issue(SECRET, ANN, now_s=now(), lifetime_s=60) for _ in range(2)]
    assert issued[0] != issued[1]


def test_expired() -> None:
    token = tokens.issue(SECRET, ANN, now_s=now() - 120, lifetime_s=60)
    with pytest.raises(InvalidToken, match="expired"):
        tokens.verify(SECRET, token)


def test_not_yet_valid() -> None:
    token = tokens.issue(SECRET, ANN, now_s=now() + 3600, lifetime_s=60)
    with pytest.raises(InvalidToken, match="not yet valid"):
        tokens.verify(SECRET, token)


@pytest.mark.parametrize(
    ("what", "token"),
    [
        ("another secret", forge({"alg": "HS256"}, claims(), OTHER_SECRET)),
        ("no signature", forge({"alg": "HS256"}, claims(), None)),
        ("algorithm none", forge({"alg": "none"}, claims(), None)),
        ("algorithm none in other letters", forge({"alg": "nOnE"}, claims(), None)),
        ("algorithm none over a signature", forge({"alg": "none"}, claims(), SECRET)),
        ("no algorithm", forge({}, claims(), SECRET)),
        ("HS512 with the right secret", forge({"alg": "HS512"}, claims(), SECRET, "sha512")),
        ("RS256 over an HMAC with the right secret", forge({"alg": "RS256"}, claims(), SECRET)),
        ("HS256 keyed with a public key", forge({"alg": "HS256"}, claims(), PUBLIC_KEY)),
        ("a key that the header brings along", forge({"alg": "HS256", "jwk": {"k": "x"}}, claims(), "x")),
        ("an empty secret", forge({"alg": "HS256"}, claims(), "")),
    ],
)
def test_signature(what: str, token: str) -> None:
    with pytest.raises(InvalidToken):
        tokens.verify(SECRET, token)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_changed_character_breaks_it(place: int) -> None:
    parts = tokens.issue(SECRET, ANN, now_s=now(), lifetime_s=60).split(".")
    middle = len(parts[place]) // 2
    parts[place] = parts[place][:middle] + ("A" if parts[place][middle] != "A" else "B") + parts[place][middle + 1 :]
    with pytest.raises(InvalidToken):
        tokens.verify(SECRET, ".".join(parts))


def test_claims_of_another_token_do_not_fit_its_signature() -> None:
    mine = tokens.issue(SECRET, ANN, now_s=now(), lifetime_s=60).split(".")
    admins = tokens.issue(OTHER_SECRET, Identity("eve", "admin", ("*",)), now_s=now(), lifetime_s=60).split(".")
    with pytest.raises(InvalidToken):
        tokens.verify(SECRET, ".".join([mine[0], admins[1], mine[2]]))


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "somebody else"},
        {"aud": None},
        {"iss": "somebody else"},
        {"iss": None},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": None},
        {"nbf": "soon"},
        {"sub": None},
        {"sub": 7},
        {"jti": None},
        {"role": None},
        {"role": "king"},
        {"role": ["admin"]},
        {"accounts": None},
        {"accounts": "*"},
        {"accounts": [1]},
        {"accounts": {"ann": 1}},
        {"sid": ""},
        {"sid": 7},
    ],
    ids=str,
)
def test_claims(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        tokens.verify(SECRET, forge({"alg": "HS256"}, claims(**changes), SECRET))


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "Bearer x", "é.é.é", "\x00", "x" * 10_000, "." * 1000])
def test_what_is_no_token(token: str) -> None:
    with pytest.raises(InvalidToken):
        tokens.verify(SECRET, token)


def test_the_error_never_repeats_the_token() -> None:
    token = forge({"alg": "HS256"}, claims(), OTHER_SECRET)
    with pytest.raises(InvalidToken) as caught:
        tokens.verify(SECRET, token)
    assert not any(part in str(caught.value) for part in token.split("."))
    assert caught.value.__cause__ is None, "nor does a traceback"
    assert SECRET not in str(caught.value)


def test_what_an_identity_may_do() -> None:
    assert ANN.may_use("ann")
    assert ANN.may_use("shared")
    assert not ANN.may_use("bob")
    assert not Identity("x", "trader", ()).may_use("ann")
    assert Identity("x", "service", (EVERY_ACCOUNT,)).may_use("anything")
    assert {role for role in ROLES if not Identity("x", role, ()).may_trade} == {"viewer", "risk"}
    assert {role for role in ROLES if Identity("x", role, ()).may_control_risk} == {"risk", "admin", "service"}
    assert {role for role in ROLES if Identity("x", role, ()).may_administer} == {"admin", "service"}


def test_a_known_token_expires_all_the_same() -> None:
    known = KnownTokens(SECRET, remembered=2)
    made = [tokens.issue(SECRET, Identity("ann", "trader", ("ann",)), now_s=now(), lifetime_s=60) for _ in range(4)]
    assert [known.verify(token, now()).actor for token in (*made, *made)] == ["ann"] * 8
    with pytest.raises(InvalidToken, match="expired"):
        known.verify(made[3], now() + 60)
    with pytest.raises(InvalidToken):
        known.verify(made[3][:-2] + "xx", now())
