"""Logging in, and what is refused without."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator

import argon2
import httpx
import jwt
import psycopg
import pytest

from engine.tokens import ALGORITHM, AUDIENCE, ISSUER
from tests.gateway.running import Running
from tests.system import System

pytestmark = pytest.mark.integration

CLAIMS = {"sub": "tester", "role": "trader", "accounts": ["demo"], "iss": ISSUER, "aud": AUDIENCE, "jti": "1"}


@pytest.fixture(scope="module")
def user(system: System) -> Iterator[str]:
    """A user with the password `correct horse`."""
    hashed = argon2.PasswordHasher().hash("correct horse")
    with psycopg.connect(system.settings.dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO users (username, password_hash, role, accounts) VALUES ('anna', %s, 'trader', %s)",
            (hashed, ["demo", "savings"]),
        )
        yield "anna"
        connection.execute("DELETE FROM users WHERE username = 'anna'")


def login(gateway: Running, **body: object) -> httpx.Response:
    return httpx.post(f"{gateway.url}/api/login", json=body)


def test_a_login_gives_a_token_that_works(gateway: Running, user: str) -> None:
    granted = login(gateway, username=user, password="correct horse")
    assert granted.status_code == 200
    assert granted.headers["cache-control"] == "no-store"
    body = granted.json()
    assert body["token_type"] == "bearer"
    assert body["expires_in"] == 600
    assert (body["username"], body["role"], body["accounts"]) == ("anna", "trader", ["demo", "savings"])
    answer = httpx.get(f"{gateway.url}/api/account", headers={"Authorization": f"Bearer {body['access_token']}"})
    assert answer.status_code == 200
    assert [account["account"] for account in answer.json()["accounts"]] == ["demo", "savings"]


def test_the_demo_user_is_let_in(gateway: Running) -> None:
    body = login(gateway, username="demo", password="demo").json()
    assert (body["role"], body["accounts"]) == ("trader", ["demo"])


@pytest.mark.parametrize(
    ("username", "password"), [("anna", "wrong"), ("nobody", "correct horse"), ("anna", ""), ("a\x00b", "x")]
)
def test_wrong_names_and_passwords_look_alike(gateway: Running, user: str, username: str, password: str) -> None:
    refused = login(gateway, username=username, password=password)
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["www-authenticate"] == 'Bearer realm="hft"'
    problem = refused.json()
    assert (problem["reason"], problem["field"]) == ("unauthorized", "password")
    assert problem["detail"] == "the user name or the password is wrong"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"username": "anna"}, 422, "password"),
        ({"username": "anna", "password": 7}, 422, "password"),
        ({"username": "anna", "password": "x" * 2000}, 422, "password"),
        ({"username": "anna", "password": "x", "remember": True}, 422, "remember"),
    ],
)
def test_a_login_that_is_none(gateway: Running, body: dict[str, object], status: int, field: str) -> None:
    refused = login(gateway, **body)
    assert (refused.status_code, refused.json()["field"]) == (status, field)


def signed(secret: str, algorithm: str = ALGORITHM, **changes: object) -> str:
    now = int(time.time())
    claims = {**CLAIMS, "iat": now, "nbf": now, "exp": now + 60, **changes}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, secret, algorithm=algorithm)


def unsigned() -> str:
    now = int(time.time())
    parts = ({"alg": "none", "typ": "JWT"}, {**CLAIMS, "iat": now, "nbf": now, "exp": now + 60})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


def bad_tokens(secret: str) -> dict[str, str | None]:
    now = int(time.time())
    good = signed(secret)
    head, claims, signature = good.split(".")
    return {
        "none": None,
        "empty": "Bearer",
        "no scheme": good,
        "another scheme": f"Basic {good}",
        "no token at all": "Bearer nonsense",
        "expired": f"Bearer {signed(secret, exp=now - 10)}",
        "not yet valid": f"Bearer {signed(secret, nbf=now + 600)}",
        "another secret": f"Bearer {signed('y' * 40)}",
        "another algorithm": f"Bearer {signed('z' * 64, 'HS512')}",
        "unsigned": f"Bearer {unsigned()}",
        "another issuer": f"Bearer {signed(secret, iss='someone')}",
        "another audience": f"Bearer {signed(secret, aud='someone')}",
        "no expiry": f"Bearer {signed(secret, exp=None)}",
        "unknown role": f"Bearer {signed(secret, role='king')}",
        "tampered": f"Bearer {head}.{claims[:-2]}xx.{signature}",
        "not ASCII": "Bearer \xe9\xe9",
    }


ROUTES = [
    ("POST", "/api/order"),
    ("GET", "/api/orders"),
    ("DELETE", "/api/orders"),
    ("GET", "/api/orders/1"),
    ("PATCH", "/api/orders/1"),
    ("DELETE", "/api/orders/1"),
    ("GET", "/api/positions"),
    ("GET", "/api/executions"),
    ("GET", "/api/pnl"),
    ("GET", "/api/account"),
    ("GET", "/api/instruments"),
    ("GET", "/api/book/AAPL"),
    ("GET", "/api/trades/AAPL"),
    ("GET", "/api/candles/AAPL"),
    ("GET", "/api/stream?topics=orders"),
]


@pytest.mark.parametrize("kind", list(bad_tokens("x" * 40)))
def test_bad_tokens_open_no_route(gateway: Running, kind: str) -> None:
    header = bad_tokens(gateway.secret)[kind]
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    with httpx.Client(base_url=gateway.url, headers=headers) as client:
        for method, path in ROUTES:
            refused = client.request(method, path)
            assert refused.status_code == 401, (method, path)
            assert refused.headers["www-authenticate"] == 'Bearer realm="hft"'
            assert refused.headers["content-type"] == "application/problem+json"
            assert (refused.json()["field"], refused.json()["reason"]) == ("token", "unauthorized")


def test_a_viewer_may_look_but_not_trade(gateway: Running, account: str, symbol: str) -> None:
    with gateway.client(account, role="viewer") as viewer:
        assert viewer.get("/api/orders").status_code == 200
        order = {"symbol": symbol, "side": "buy", "quantity": 1, "limit_price": 10}
        for refused in (
            viewer.post("/api/order", json=order),
            viewer.patch("/api/orders/1", json={"quantity": 1}),
            viewer.delete("/api/orders/1"),
            viewer.delete("/api/orders"),
        ):
            assert refused.status_code == 403
            assert refused.json()["reason"] == "not_authorized"


def test_another_account_is_refused_and_another_order_is_not_there(
    trader: httpx.Client, counterparty: httpx.Client, account: str, other: str, symbol: str
) -> None:
    order = {"symbol": symbol, "side": "buy", "quantity": 1, "limit_price": 10}
    for refused in (
        trader.post("/api/order", json={**order, "account": other}),
        trader.get("/api/orders", params={"account": other}),
        trader.get("/api/positions", params={"account": other}),
        trader.get("/api/executions", params={"account": other}),
        trader.get("/api/pnl", params={"account": other}),
        trader.delete("/api/orders", params={"account": other}),
    ):
        assert refused.status_code == 403
        assert (refused.json()["reason"], refused.json()["field"]) == ("not_authorized", "account")

    theirs = counterparty.post("/api/order", json=order).json()["order_id"]
    for refused in (
        trader.get(f"/api/orders/{theirs}"),
        trader.patch(f"/api/orders/{theirs}", json={"quantity": 5}),
        trader.delete(f"/api/orders/{theirs}"),
    ):
        assert refused.status_code == 404
        assert (refused.json()["reason"], refused.json()["field"]) == ("unknown_order", "order_id")
    assert counterparty.get(f"/api/orders/{theirs}").json()["status"] == "new"


def test_an_admin_sees_everyone(gateway: Running, trader: httpx.Client, account: str, symbol: str) -> None:
    placed = trader.post("/api/order", json={"symbol": symbol, "side": "buy", "quantity": 1, "limit_price": 10}).json()
    with gateway.client("*", role="admin") as admin:
        assert admin.get(f"/api/orders/{placed['order_id']}").json()["account"] == account
        found = admin.get("/api/orders", params={"symbol": symbol}).json()["orders"]
        assert [order["account"] for order in found] == [account]
        # Every account is its own, and none is its first.
        body = {"symbol": symbol, "side": "buy", "quantity": 1, "limit_price": 10}
        refused = admin.post("/api/order", json=body)
        assert (refused.status_code, refused.json()["field"]) == (422, "account")
        assert admin.delete(f"/api/orders/{placed['order_id']}").status_code == 200
