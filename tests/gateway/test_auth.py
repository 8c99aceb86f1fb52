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
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from engine.client import Client
from engine.refusal import Refusal
from engine.tokens import ALGORITHM, AUDIENCE, ISSUER
from tests.gateway.events import stream
from tests.gateway.running import Running, eventually, running
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
    assert (body["expires_in"], body["refresh_expires_in"]) == (600, 3600)
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


def test_the_cookie_login_hides_its_tokens_from_scripts(gateway: Running, user: str) -> None:
    with httpx.Client(base_url=gateway.url) as page:
        granted = page.post("/api/login", json={"username": user, "password": "correct horse", "cookies": True})
        body = granted.json()
        assert (body["access_token"], body["refresh_token"]) == (None, None)
        set_cookies = granted.headers.get_list("set-cookie")
        assert len(set_cookies) == 2
        assert all("HttpOnly" in cookie and "SameSite=strict" in cookie for cookie in set_cookies)
        assert page.get("/api/account").status_code == 200
        layout = {"layout": {}}
        for headers in ({}, {"X-CSRF-Token": "x"}, {"X-CSRF-Token": body["csrf_token"][:-1] + "g"}):
            refused = page.put("/api/layouts", json=layout, headers=headers)
            assert (refused.status_code, refused.json()["reason"]) == (403, "csrf")
        good = {"X-CSRF-Token": body["csrf_token"]}
        assert page.put("/api/layouts", json=layout, headers=good).status_code == 200
        elsewhere = page.get("/api/account", headers={"Origin": "https://evil.example"})
        assert (elsewhere.status_code, elsewhere.json()["reason"]) == (403, "csrf")
        assert page.get("/api/account", headers={"Origin": gateway.url}).status_code == 200
        assert page.post("/api/refresh").status_code == 403
        again = page.post("/api/refresh", headers=good)
        assert (again.status_code, again.json()["csrf_token"]) == (200, body["csrf_token"])
        assert page.post("/api/logout", headers=good).status_code == 200
        assert not page.cookies
        assert page.get("/api/account").status_code == 401


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def account_status(gateway: Running, token: str) -> int:
    return httpx.get(f"{gateway.url}/api/account", headers=bearer(token)).status_code


def refreshed(gateway: Running, token: str) -> httpx.Response:
    return httpx.post(f"{gateway.url}/api/refresh", json={"refresh_token": token})


def test_a_refresh_gives_the_next_tokens_and_takes_each_only_once(gateway: Running, user: str) -> None:
    first = login(gateway, username=user, password="correct horse").json()
    second = refreshed(gateway, first["refresh_token"]).json()
    assert account_status(gateway, second["access_token"]) == 200
    third = refreshed(gateway, second["refresh_token"]).json()
    stolen = refreshed(gateway, first["refresh_token"])
    assert (stolen.status_code, stolen.json()["field"]) == (401, "refresh_token")
    # Whoever has the newest one cannot be told from the thief: the whole login is over.
    assert refreshed(gateway, third["refresh_token"]).status_code == 401
    assert account_status(gateway, third["access_token"]) == 401
    other = login(gateway, username=user, password="correct horse").json()
    assert account_status(gateway, other["access_token"]) == 200
    for wrong in (other["access_token"], "nonsense", ""):
        assert refreshed(gateway, wrong).status_code == 401
    assert httpx.post(f"{gateway.url}/api/refresh").status_code == 401
    assert account_status(gateway, other["refresh_token"]) == 401, "a refresh token opens nothing"


def test_a_logout_ends_the_login_on_every_door_and_every_gateway(
    gateway: Running, system: System, account: str, symbol: str
) -> None:
    session = f"login-{time.time_ns()}"
    token = gateway.token(account, session=session)
    order = {"symbol": symbol, "side": "buy", "quantity": 1, "limit_price": 10}
    with (
        httpx.Client(base_url=gateway.url, headers=bearer(token)) as client,
        Client(system.settings.zeromq, token) as direct,
        connect(gateway.url.replace("http", "ws") + "/ws") as socket,
    ):
        socket.send(json.dumps({"type": "login", "token": token}))
        assert json.loads(socket.recv())["event"] == "session"
        assert direct.ping() > 0
        with stream(client, "orders") as events:
            assert events.snapshots(1)
            assert client.post("/api/logout").status_code == 200
            assert [event.data["reason"] for event in events] == ["token_revoked"]
        assert json.loads(socket.recv(timeout=20))["data"]["reason"] == "token_revoked"
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=20)
        refused = client.post("/api/order", json=order)
        assert (refused.status_code, refused.json()["detail"]) == (401, "the token has been revoked")

        def refused_by_the_engine() -> bool:
            try:
                direct.status(account, client_order_id="x")
            except Refusal as refusal:
                return "revoked" in refusal.text
            return False

        eventually(refused_by_the_engine)
    with connect(gateway.url.replace("http", "ws") + "/ws") as socket:
        socket.send(json.dumps({"type": "login", "token": token}))
        assert json.loads(socket.recv())["event"] == "problem"
    # The system's own gateway hears of it too.
    eventually(lambda: httpx.get(f"{system.url}/api/account", headers=bearer(token)).status_code == 401)
    with running(system) as fresh:
        assert httpx.get(f"{fresh.url}/api/account", headers=bearer(token)).status_code == 401


def test_keys_are_tokens_that_can_be_taken_back(gateway: Running, account: str, other: str) -> None:
    with gateway.client(account, role="trader") as trader:
        made = trader.post("/api/keys", json={"name": "my robot", "role": "viewer", "days": 7})
        assert made.status_code == 201
        key = made.json()
        assert account_status(gateway, key["token"]) == 200
        assert [shown["key_id"] for shown in trader.get("/api/keys").json()["keys"]].count(key["key_id"]) == 1
        assert all("token" not in shown for shown in trader.get("/api/keys").json()["keys"])
        with httpx.Client(base_url=gateway.url, headers=bearer(key["token"])) as robot:
            order = {"symbol": "AAPL", "side": "buy", "quantity": 1, "limit_price": 10}
            assert robot.post("/api/order", json=order).status_code == 403, "the key is a viewer's"
            assert robot.post("/api/keys", json={"name": "more"}).status_code == 403, "a key makes no keys"
        for wrong, status in (
            ({"name": "x", "role": "admin"}, 403),
            ({"name": "x", "role": "service"}, 422),
            ({"name": "x", "accounts": [other]}, 403),
            ({"name": "x", "days": 0}, 422),
            ({}, 422),
        ):
            assert trader.post("/api/keys", json=wrong).status_code == status, wrong
        assert trader.delete("/api/keys", params={"key_id": "key-nobodys"}).status_code == 404
        assert trader.delete("/api/keys", params={"key_id": key["key_id"]}).status_code == 200
        assert account_status(gateway, key["token"]) == 401
        assert key["key_id"] not in [shown["key_id"] for shown in trader.get("/api/keys").json()["keys"]]


def test_the_database_holds_no_key_and_no_token(gateway: Running, system: System, user: str) -> None:
    granted = login(gateway, username=user, password="correct horse").json()
    headers = bearer(granted["access_token"])
    key = httpx.post(f"{gateway.url}/api/keys", json={"name": "hidden"}, headers=headers).json()
    secrets = (granted["access_token"], granted["refresh_token"], key["token"])
    with psycopg.connect(system.settings.dsn) as connection:
        for table in ("sessions", "api_keys", "revocations", "users"):
            kept = str(connection.execute(f"SELECT * FROM {table}").fetchall())
            assert not any(secret in kept for secret in secrets)


def test_users_are_administered(gateway: Running, account: str) -> None:
    name = f"user-{time.time_ns()}"
    with gateway.client("*", role="admin") as admin, gateway.client(account) as trader:
        body = {"username": name, "password": "long enough", "role": "trader", "accounts": [account]}
        assert trader.post("/api/users", json=body).status_code == 403
        assert admin.post("/api/users", json={**body, "password": "short"}).json()["field"] == "password"
        assert admin.post("/api/users", json={**body, "role": "service"}).json()["field"] == "role"
        assert admin.post("/api/users", json=body).status_code == 201
        assert admin.post("/api/users", json=body).status_code == 409
        assert name in [user["username"] for user in admin.get("/api/users").json()["users"]]
        granted = login(gateway, username=name, password="long enough").json()
        assert granted["accounts"] == [account]
        changed = admin.patch(f"/api/users/{name}", json={"role": "viewer", "password": "another one"})
        assert changed.json()["role"] == "viewer"
        assert account_status(gateway, granted["access_token"]) == 401, "what it could do before is over"
        assert refreshed(gateway, granted["refresh_token"]).status_code == 401
        assert login(gateway, username=name, password="long enough").status_code == 401
        granted = login(gateway, username=name, password="another one").json()
        own = {"old_password": "another one", "new_password": "the third one"}
        mine = bearer(granted["access_token"])
        wrong = httpx.put(f"{gateway.url}/api/password", json={**own, "old_password": "no"}, headers=mine)
        assert (wrong.status_code, wrong.json()["field"]) == (401, "old_password")
        assert httpx.put(f"{gateway.url}/api/password", json=own, headers=mine).status_code == 200
        assert account_status(gateway, granted["access_token"]) == 401
        assert login(gateway, username=name, password="the third one").status_code == 200
        assert admin.patch(f"/api/users/{name}", json={"disabled": True}).json()["disabled"] is True
        assert login(gateway, username=name, password="the third one").status_code == 401
        assert admin.delete(f"/api/users/{name}").status_code == 200
        assert admin.delete(f"/api/users/{name}").status_code == 404


def test_accounts_are_administered(gateway: Running, account: str) -> None:
    name = f"adm-{time.time_ns() % 10**10}"
    with gateway.client("*", role="admin") as admin, gateway.client(account) as trader:
        assert trader.post("/api/accounts", json={"account": name}).status_code == 403
        assert admin.post("/api/accounts", json={"account": name, "deposit": "100"}).status_code == 201
        assert admin.post("/api/accounts", json={"account": name}).status_code == 409
        assert admin.post(f"/api/accounts/{name}/deposits", json={"amount": "-25.5"}).status_code == 201
        assert (
            admin.put(f"/api/accounts/{name}/fees", json={"maker_fee_ppm": -5, "taker_fee_ppm": 9}).status_code == 200
        )
        assert admin.post("/api/accounts/nobody/deposits", json={"amount": "1"}).status_code == 422

        def shown() -> bool:
            found = gateway.gateway.hub.state.accounts.get(name)
            return found is not None and (found.deposits, found.taker_fee_ppm) == ("74.50", 9)

        eventually(shown)


def test_the_role_risk_watches_and_stops_but_does_not_trade(gateway: Running, account: str, symbol: str) -> None:
    with gateway.client(role="risk") as risk:
        order = {"symbol": symbol, "side": "buy", "quantity": 1, "limit_price": 10, "account": account}
        assert risk.post("/api/order", json=order).status_code == 403
        assert risk.get("/api/orders", params={"account": account}).status_code == 200
        assert risk.put("/api/risk", json={"account": account, "max_open_orders": 3}).status_code in (200, 202)
        assert risk.post("/api/risk/kill", json={"account": account}).json()["active"] is True
        assert risk.post("/api/risk/kill", json={"account": account, "active": False}).status_code == 200
        assert risk.post("/api/accounts", json={"account": "nope"}).status_code == 403


def test_too_many_wrong_passwords_have_to_wait(gateway: Running, user: str) -> None:
    name = f"guessed-{time.time_ns()}"
    statuses = [login(gateway, username=name, password="wrong").status_code for _ in range(7)]
    assert statuses == [401] * 5 + [429] * 2
    refused = login(gateway, username=name, password="wrong")
    assert refused.json()["reason"] == "too_many_logins"
    assert 0 < int(refused.headers["retry-after"]) <= 30
    assert login(gateway, username=user, password="correct horse").status_code == 200, "others are let in"


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
    ("POST", "/api/orders/preview"),
    ("GET", "/api/risk"),
    ("POST", "/api/risk/kill"),
    ("GET", "/api/analytics"),
    ("GET", "/api/layouts"),
    ("GET", "/api/system"),
    ("POST", "/api/logout"),
    ("PUT", "/api/password"),
    ("POST", "/api/keys"),
    ("DELETE", "/api/keys?key_id=x"),
    ("GET", "/api/users"),
    ("POST", "/api/accounts"),
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
