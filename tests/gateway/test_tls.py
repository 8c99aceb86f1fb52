"""The gateway's own process with a certificate and an origin elsewhere, set as an operator sets them."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme
from websockets.sync.client import connect

from infra import services
from infra.folders import Folders
from infra.health import probes
from infra.ports import free_ports
from infra.settings import Settings
from tests.gateway.events import stream
from tests.gateway.running import LIMIT_S, Running
from tests.gateway.test_stream import is_order
from tests.system import System, running

pytestmark = pytest.mark.integration

PAGE = "https://desk.example:8443"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def settings(system: System, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Of a gateway that listens."""
    folder = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    for pem in issued.cert_chain_pems:
        pem.write_to_path(folder / "chain.pem", append=True)
    (port,) = free_ports(1)
    settings = system.settings.model_copy(
        update={
            "var": folder,
            "gateway_port": port,
            "gateway_name": "tls",
            "jwt_secret": system.secret,
            "cors_origins": f"https://other.example, {PAGE}",
            "tls_certificate": str(folder / "chain.pem"),
            "tls_key": str(folder / "key.pem"),
        }
    )
    where = Folders(folder)
    where.create()
    with running(services.program("gateway", settings, where)):
        yield settings


@pytest.fixture(scope="module")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def client(settings: Settings, trusting: ssl.SSLContext, gateway: Running, account: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {gateway.token(account)}"}
    with httpx.Client(base_url=settings.gateway, headers=headers, verify=trusting, timeout=LIMIT_S) as client:
        yield client


# -------------------------------------------------------------------------------------------------------------- TLS


def test_orders_and_their_stream(client: httpx.Client, symbol: str) -> None:
    with stream(client, "orders") as events:
        events.snapshots(1)
        order = {"symbol": symbol, "side": "buy", "quantity": 5, "limit_price": "10.00"}
        reply = client.post("/api/order", json=order).json()
        events.until(is_order(reply["order_id"], "new"))
        last_id = events.last_id
    assert client.delete(f"/api/orders/{reply['order_id']}").status_code == 200
    with stream(client, "orders", last_id=last_id) as events:
        (canceled,) = events.until(lambda event: event.event == "orders")
        assert (canceled.data["order_id"], canceled.data["status"]) == (reply["order_id"], "canceled")
    answer = client.get("/api/orders")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_a_websocket(settings: Settings, trusting: ssl.SSLContext, gateway: Running, account: str, symbol: str) -> None:
    with connect(settings.gateway.replace("https", "wss") + "/ws", ssl=trusting) as socket:
        socket.send(json.dumps({"type": "login", "token": gateway.token(account)}))
        assert json.loads(socket.recv(LIMIT_S))["event"] == "session"
        order = {"type": "new", "account": account, "symbol": symbol, "side": "buy", "quantity": 1, "limit_price": 10}
        socket.send(json.dumps(order))
        reply = json.loads(socket.recv(LIMIT_S))
        assert (reply["event"], reply["data"]["outcome"]) == ("reply", "accepted")


def test_cookies_never_leave_tls(settings: Settings, trusting: ssl.SSLContext) -> None:
    body = {"username": "demo", "password": "demo", "cookies": True}
    answer = httpx.post(f"{settings.gateway}/api/login", json=body, verify=trusting, timeout=LIMIT_S)
    given = answer.headers.get_list("set-cookie")
    assert len(given) == 2
    assert all("Secure" in cookie and "HttpOnly" in cookie for cookie in given)


def test_only_tls_and_only_by_those_who_trust_it(settings: Settings) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{settings.gateway_port}/healthz", timeout=LIMIT_S)
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{settings.gateway}/healthz", timeout=LIMIT_S)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{settings.gateway}/healthz", verify=old, timeout=LIMIT_S)


def test_status_knows_the_certificate_again(settings: Settings, authority: trustme.CA, tmp_path: Path) -> None:
    assert probes(settings)["gateway"]()
    another = tmp_path / "another.pem"
    authority.issue_cert("127.0.0.1").cert_chain_pems[0].write_to_path(another)
    assert not probes(settings.model_copy(update={"tls_certificate": str(another)}))["gateway"]()


# ------------------------------------------------------------------------------------------------------------- CORS


def preflight(client: httpx.Client, origin: str, method: str, headers: str) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return client.options("/api/orders/1", headers=asked)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_page_elsewhere_may_ask(client: httpx.Client, method: str) -> None:
    answer = preflight(client, PAGE, method, "authorization, content-type, last-event-id")
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert method in answer.headers["access-control-allow-methods"]
    assert {"Authorization", "Content-Type", "Last-Event-ID"} <= set(
        answer.headers["access-control-allow-headers"].split(", ")
    )
    # Cookies are for our own page: a browser sends none with what this lets it ask.
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    ("origin", "method", "headers"),
    [
        ("https://mallory.example", "GET", "authorization"),
        ("http://desk.example:8443", "GET", "authorization"),
        ("https://desk.example", "GET", "authorization"),
        ("null", "GET", "authorization"),
        (PAGE, "TRACE", "authorization"),
        (PAGE, "POST", "x-anything"),
    ],
)
def test_other_pages_may_not(client: httpx.Client, origin: str, method: str, headers: str) -> None:
    answer = preflight(client, origin, method, headers)
    assert answer.status_code == 400
    assert origin == PAGE or "access-control-allow-origin" not in answer.headers


def test_what_a_page_elsewhere_may_read(client: httpx.Client) -> None:
    answer = client.get("/api/orders", headers={"Origin": PAGE})
    assert answer.headers["access-control-allow-origin"] == PAGE
    exposed = "Location, Retry-After, RateLimit, RateLimit-Policy, traceparent"
    assert answer.headers["access-control-expose-headers"] == exposed
    assert "Origin" in answer.headers["vary"]
    refused = client.get("/api/orders", headers={"Origin": PAGE, "Authorization": "Bearer nonsense"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, PAGE)
    with client.stream("GET", "/api/stream?topics=orders", headers={"Origin": PAGE}) as events:
        assert events.headers["access-control-allow-origin"] == PAGE
    other = client.get("/api/orders", headers={"Origin": "https://mallory.example"})
    assert "access-control-allow-origin" not in other.headers


def test_without_the_setting_no_page_elsewhere_may(gateway: Running, trader: httpx.Client) -> None:
    assert preflight(trader, PAGE, "GET", "authorization").status_code == 405
    assert "access-control-allow-origin" not in trader.get("/api/orders", headers={"Origin": PAGE}).headers
