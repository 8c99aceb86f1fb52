"""A gateway that finds one of its parts away: what still works, and what says clearly that it does not."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from engine.client import Client
from infra.ports import free_ports
from tests.gateway.events import stream
from tests.gateway.running import Running, eventually, running
from tests.gateway.test_orders import body, place, working
from tests.system import System

pytestmark = pytest.mark.integration


def nowhere() -> str:
    """An address that nobody listens at."""
    return f"127.0.0.1:{free_ports(1)[0]}"


def assert_unavailable(answer: httpx.Response, service: str) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["reason"] == f"{service}_unavailable"


def healthy(gateway: Running) -> dict[str, bool]:
    services = gateway.get("/api/status").json()["services"]
    return {name: service["healthy"] for name, service in services.items()}


def assert_not_ready(gateway: Running, away: str) -> None:
    eventually(lambda: [name for name, well in healthy(gateway).items() if not well] == [away])
    answer = gateway.get("/readyz")
    assert answer.status_code == 503
    assert (answer.json()["reason"], away in answer.json()["detail"]) == ("not_ready", True)
    assert gateway.get("/healthz").status_code == 200
    assert gateway.get("/api/status").json()["healthy"] is False
    assert not gateway.ready.is_set()


@pytest.fixture(scope="module")
def no_engine(system: System) -> Iterator[Running]:
    with running(system, engine_address=f"tcp://{nowhere()}") as gateway:
        eventually(gateway.gateway.hub.loaded.is_set)
        yield gateway


def test_no_engine_it_says_so(no_engine: Running) -> None:
    assert_not_ready(no_engine, "engine")


def test_no_engine_orders_are_refused_at_once(no_engine: Running, account: str, symbol: str) -> None:
    with no_engine.client(account) as trader:
        refused = trader.post("/api/order", json=body(symbol, client_order_id="mine"))
        assert_unavailable(refused, "engine")
        assert refused.json()["client_order_id"] == "mine"
        assert_unavailable(trader.delete("/api/orders/1"), "engine")
        assert_unavailable(trader.patch("/api/orders/1", json={"quantity": 1}), "engine")
        assert_unavailable(trader.delete("/api/orders"), "engine")


def test_no_engine_reading_goes_on(no_engine: Running, trader: httpx.Client, account: str, symbol: str) -> None:
    placed = place(trader, symbol)
    with no_engine.client(account) as reader:
        eventually(lambda: reader.get(f"/api/orders/{placed['order_id']}").status_code == 200)
        assert working(reader) == [placed["order_id"]]
        assert len(reader.get("/api/instruments").json()["instruments"]) >= 5
        with stream(reader, "orders") as events:
            assert [order["order_id"] for order in events.snapshots(1)["orders"]] == [placed["order_id"]]


@pytest.fixture(scope="module")
def no_kafka(system: System) -> Iterator[Running]:
    with running(system, bootstrap=nowhere()) as gateway:
        eventually(lambda: gateway.gateway.exchange.connected)
        yield gateway


def test_no_kafka_it_says_so(no_kafka: Running) -> None:
    assert_not_ready(no_kafka, "kafka")


def test_no_kafka_orders_work(no_kafka: Running, account: str, symbol: str) -> None:
    with no_kafka.client(account) as trader:
        placed = eventually(lambda: trader.post("/api/order", json=body(symbol)).json())
        path = f"/api/orders/{placed['order_id']}"
        assert trader.get(path).json()["status"] == "new"
        assert working(trader) == [placed["order_id"]]
        eventually(lambda: trader.patch(path, json={"quantity": 3}).status_code == 200)
        assert trader.get(path).json()["quantity"] == "3"
        assert trader.delete(path).json()["order_status"] == "canceled"
        assert trader.get(path).json()["status"] == "canceled"
        assert working(trader) == []


def test_no_kafka_reading_falls_back_to_redis(
    no_kafka: Running, trader: httpx.Client, counterparty: httpx.Client, account: str, symbol: str
) -> None:
    place(counterparty, symbol, side="sell", quantity=2)
    place(trader, symbol)
    with no_kafka.client(account) as reader:
        eventually(lambda: reader.get("/api/positions").json()["positions"])
        (position,) = reader.get("/api/positions").json()["positions"]
        assert (position["symbol"], position["quantity"]) == (symbol, "2")
        eventually(lambda: reader.get("/api/pnl").json()["pnl"])
        eventually(lambda: reader.get(f"/api/book/{symbol}").json()["bids"] == [["190.00", "8", 1]])
        eventually(lambda: len(reader.get("/api/executions").json()["executions"]) == 1)


def test_no_kafka_streams_are_put_off(no_kafka: Running, account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.subscription.LOADING_S", 0.05)
    with no_kafka.client(account) as trader:
        assert_unavailable(trader.get("/api/stream?topics=orders"), "stream")


@pytest.fixture(scope="module")
def no_postgres(system: System) -> Iterator[Running]:
    with running(system, dsn=f"postgresql://postgres@{nowhere()}/hft") as gateway:
        eventually(gateway.gateway.hub.loaded.is_set)
        eventually(lambda: gateway.gateway.exchange.connected)
        yield gateway


def test_no_postgres_it_says_so(no_postgres: Running) -> None:
    assert_not_ready(no_postgres, "postgres")


def test_no_postgres_what_needs_it_says_so(no_postgres: Running, account: str) -> None:
    with no_postgres.client(account) as trader:
        for path in (
            "/api/orders",
            "/api/executions",
            "/api/trades/AAPL",
            "/api/candles/AAPL",
            "/api/orders/999999",
        ):
            assert_unavailable(trader.get(path), "postgres")
    login = httpx.post(f"{no_postgres.url}/api/login", json={"username": "demo", "password": "demo"})
    assert_unavailable(login, "postgres")


def test_no_postgres_trading_goes_on(no_postgres: Running, account: str, symbol: str) -> None:
    with no_postgres.client(account) as trader:
        placed = place(trader, symbol)
        assert trader.get(f"/api/orders/{placed['order_id']}").json()["status"] == "new"
        assert working(trader) == [placed["order_id"]]
        assert trader.get("/api/positions").json()["positions"] == []
        with stream(trader, "orders") as events:
            assert len(events.snapshots(1)["orders"]) == 1


@pytest.fixture(scope="module")
def no_redis(system: System) -> Iterator[Running]:
    with running(system, redis_url=f"redis://{nowhere()}/0") as gateway:
        eventually(gateway.gateway.hub.loaded.is_set)
        eventually(lambda: gateway.gateway.exchange.connected)
        yield gateway


def test_no_redis_it_says_so(no_redis: Running) -> None:
    assert_not_ready(no_redis, "redis")


def test_no_redis_everything_works(no_redis: Running, counterparty: httpx.Client, account: str, symbol: str) -> None:
    with no_redis.client(account) as trader:
        place(counterparty, symbol, side="sell", quantity=2)
        placed = place(trader, symbol)
        assert trader.get(f"/api/orders/{placed['order_id']}").json()["filled_quantity"] == "2"
        assert working(trader) == [placed["order_id"]]
        eventually(lambda: trader.get("/api/positions").json()["positions"])
        eventually(lambda: trader.get("/api/pnl").json()["pnl"])
        assert trader.get("/api/orders/999999").status_code == 404


def test_without_kafka_and_redis_positions_come_from_postgres(
    system: System, trader: httpx.Client, counterparty: httpx.Client, account: str, symbol: str
) -> None:
    place(counterparty, symbol, side="sell", quantity=2)
    place(trader, symbol)
    eventually(lambda: trader.get("/api/positions").json()["positions"])
    with (
        running(system, bootstrap=nowhere(), redis_url=f"redis://{nowhere()}/0") as lonely,
        lonely.client(account) as reader,
    ):
        (position,) = eventually(lambda: reader.get("/api/positions").json()["positions"])
        (shown,) = trader.get("/api/positions").json()["positions"]
        assert position == shown
        assert_unavailable(reader.get("/api/pnl"), "redis")


def test_an_engine_that_restarts_is_found_again(
    system: System, gateway: Running, trader: httpx.Client, symbol: str
) -> None:
    before = place(trader, symbol)["order_id"]
    killed = system.service("engine").pid
    system.kill("engine")
    eventually(lambda: system.service("engine").pid not in (killed, None))
    again = body(symbol, client_order_id="again")  # the same order, however often it takes
    eventually(lambda: trader.post("/api/order", json=again).is_success, limit_s=120)
    eventually(lambda: healthy(gateway)["engine"])
    after = working(trader)[0]
    assert int(after) > int(before)
    assert working(trader) == [after, before]


def test_a_postgres_that_drops_its_connections_is_found_again(system: System, trader: httpx.Client) -> None:
    assert trader.get("/api/orders").status_code == 200
    with psycopg.connect(system.settings.dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gateway'")
    assert trader.get("/api/orders").status_code == 200


def test_no_order_arrives_after_its_sender_was_told_that_it_did_not(
    system: System, gateway: Running, engine: Client, trader: httpx.Client, symbol: str
) -> None:
    """The engine dies while orders come in: those that were answered 503 without having been sent never appear."""
    system.kill("engine")
    told: dict[str, int] = {}
    end = time.monotonic() + 60
    number = 0
    while time.monotonic() < end:
        number += 1
        answer = trader.post("/api/order", json=body(symbol, client_order_id=f"o{number}"))
        told[f"o{number}"] = answer.status_code
        if answer.status_code == 503 and "nothing was sent" not in answer.json()["detail"]:
            told[f"o{number}"] = 0  # unknown, and said so
        if answer.status_code == 201 and 503 in told.values():
            break
    assert 503 in told.values()
    assert 201 in told.values()
    there = {order["client_order_id"] for order in trader.get("/api/orders?limit=1000").json()["orders"]}
    assert {name for name, status in told.items() if status == 201} <= there
    assert {name for name, status in told.items() if status == 503}.isdisjoint(there)


def test_a_kafka_that_comes_back_is_read_on_where_it_was_left(
    system: System, gateway: Running, trader: httpx.Client, symbol: str
) -> None:
    with stream(trader, "orders") as events:
        events.snapshots(1)
        system.kill("kafka")
        eventually(lambda: not healthy(gateway)["kafka"])
        assert gateway.get("/readyz").status_code == 503
        placed = [place(trader, symbol, limit_price=price)["order_id"] for price in (11, 12, 13)]
        assert working(trader) == placed[::-1]
        trader.delete(f"/api/orders/{placed[1]}")
        assert working(trader) == [placed[2], placed[0]]
        eventually(lambda: healthy(gateway)["kafka"], limit_s=120)
        seen = events.until(lambda event: event.data["status"] == "canceled")
        assert [event.data["order_id"] for event in seen] == [*placed, placed[1]]
    eventually(lambda: gateway.get("/readyz").status_code == 200, limit_s=120)


def logged_out(gateway: Running, account: str) -> str:
    """A token that was just revoked through this gateway."""
    token = gateway.token(account, session=f"login-{time.time_ns()}")
    ended = httpx.post(f"{gateway.url}/api/logout", headers={"Authorization": f"Bearer {token}"})
    assert ended.status_code == 200, ended.text
    return token


def status_of(gateway: Running, token: str) -> int:
    return httpx.get(f"{gateway.url}/api/account", headers={"Authorization": f"Bearer {token}"}).status_code


def test_with_one_store_away_a_revoked_token_stays_out(
    system: System, gateway: Running, no_postgres: Running, account: str, symbol: str
) -> None:
    """Each way round: revoked by one that has only Redis, or only Postgres, and tried at the others."""
    with running(system, redis_url=f"redis://{nowhere()}/0") as no_redis:
        eventually(lambda: no_redis.gateway.exchange.connected)
        for one in (no_postgres, no_redis):
            token = logged_out(one, account)
            assert status_of(one, token) == 401
            eventually(lambda token=token: status_of(gateway, token) == 401)  # type: ignore[misc]
            with one.client(account) as trader:
                assert place(trader, symbol)["outcome"] == "accepted"
        first = logged_out(gateway, account)
        eventually(lambda: status_of(no_postgres, first) == status_of(no_redis, first) == 401)
        # What Redis alone was told, Postgres learns from the gateway that has both.
        told = logged_out(no_postgres, account)
        eventually(lambda: status_of(no_redis, told) == 401)


def test_with_both_away_nobody_is_let_in(system: System, account: str, symbol: str) -> None:
    dsn, redis_url = f"postgresql://postgres@{nowhere()}/hft", f"redis://{nowhere()}/0"
    with running(system, dsn=dsn, redis_url=redis_url) as blind, blind.client(account) as trader:
        eventually(lambda: blind.gateway.exchange.connected)
        order = {"symbol": symbol, "side": "buy", "quantity": 1, "limit_price": 10}
        for refused in (trader.post("/api/order", json=order), trader.get("/api/orders")):
            assert_unavailable(refused, "authorization")
        login = httpx.post(f"{blind.url}/api/login", json={"username": "demo", "password": "demo"})
        assert login.status_code == 503
        assert healthy(blind) == {"engine": True, "kafka": True, "postgres": False, "redis": False}
