"""Reading: lists, filters, pages, and what everybody sees."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from engine.client import Client
from engine.messages import Fill, Instrument, Pnl, Position, Trade
from streams.reports import live
from tests.gateway.conftest import define, numbers, open_account
from tests.gateway.running import Running, eventually
from tests.gateway.test_orders import place

pytestmark = pytest.mark.integration


def rows(client: httpx.Client, path: str, name: str, **parameters: object) -> list[dict[str, Any]]:
    answer = client.get(path, params={key: str(value) for key, value in parameters.items()})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()[name]
    return found


class Day:
    """An account that has traded: three trades of 1, 2 and 3 at 100, 101, 102, bought from another account, one
    canceled order, and one that still works, in one symbol; and an order in another."""

    def __init__(self, gateway: Running, engine: Client) -> None:
        self.dsn = gateway.system.settings.dsn
        self.account = open_account(engine, gateway)
        self.other = open_account(engine, gateway)
        self.symbol, self.quiet = (define(engine, f"GW{next(numbers)}") for _ in range(2))
        eventually(lambda: self.quiet in gateway.gateway.hub.state.instruments)
        self.trader = gateway.client(self.account)
        self.counterparty = gateway.client(self.other)
        self.orders: list[str] = []
        for quantity in (1, 2, 3):
            price = 99 + quantity
            place(self.counterparty, self.symbol, side="sell", quantity=quantity, limit_price=price)
            self.orders.append(place(self.trader, self.symbol, quantity=quantity, limit_price=price)["order_id"])
        self.orders.append(place(self.trader, self.symbol, limit_price=50)["order_id"])
        self.trader.delete(f"/api/orders/{self.orders[-1]}")
        self.orders.append(place(self.trader, self.symbol, limit_price=51)["order_id"])
        self.orders.append(place(self.trader, self.quiet, limit_price=52)["order_id"])

    def close(self) -> None:
        self.trader.close()
        self.counterparty.close()


@pytest.fixture(scope="module")
def day(gateway: Running, engine: Client) -> Iterator[Day]:
    day = Day(gateway, engine)
    eventually(lambda: len(rows(day.trader, "/api/candles/" + day.symbol, "candles", interval=86400)) == 1)
    eventually(lambda: rows(day.trader, "/api/candles/" + day.symbol, "candles", interval=86400)[0]["volume"] == "6")
    yield day
    day.close()


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [5, 4, 3, 2, 1, 0]),
        ({"status": "working"}, [5, 4]),
        ({"status": "filled"}, [2, 1, 0]),
        ({"status": "filled,canceled"}, [3, 2, 1, 0]),
        ({"status": "rejected"}, []),
        ({"limit": 2}, [5, 4]),
        ({"symbol": "NOPE"}, []),
        ({"sort": "oldest"}, [0, 1, 2, 3, 4, 5]),
        ({"sort": "oldest", "limit": 2}, [0, 1]),
        ({"side": "sell"}, []),
        ({"side": "buy", "order_type": "limit", "sort": "newest"}, [5, 4, 3, 2, 1, 0]),
        ({"order_type": "stop"}, []),
        ({"strategy": "none"}, []),
        ({"client_order_id": "nobody's"}, []),
        ({"end_ns": 1}, []),
        ({"start_ns": 1}, [5, 4, 3, 2, 1, 0]),
    ],
)
def test_orders_newest_first(day: Day, parameters: dict[str, object], expected: list[int]) -> None:
    found = rows(day.trader, "/api/orders", "orders", **parameters)
    assert [order["order_id"] for order in found] == [day.orders[place] for place in expected]


def test_orders_of_one_symbol(day: Day) -> None:
    assert [o["order_id"] for o in rows(day.trader, "/api/orders", "orders", symbol=day.quiet)] == [day.orders[5]]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
@pytest.mark.parametrize("sort", ["newest", "oldest"])
@pytest.mark.parametrize(
    ("path", "name", "expected"), [("/api/orders", "orders", 6), ("/api/executions", "executions", 3)]
)
def test_pages_hold_everything_once(day: Day, path: str, name: str, expected: int, limit: int, sort: str) -> None:
    seen: list[dict[str, Any]] = []
    parameters: dict[str, Any] = {"limit": limit, "sort": sort}
    for _ in range(20):
        page = day.trader.get(path, params=parameters).json()
        assert len(page[name]) <= limit
        seen += page[name]
        if page["next_cursor"] is None:
            break
        parameters["cursor"] = page["next_cursor"]
    assert len(seen) == expected
    assert seen == sorted(seen, key=lambda row: int(row["order_id"]), reverse=sort == "newest")


def test_pages_of_the_tape_and_of_positions(day: Day) -> None:
    first = day.trader.get(f"/api/trades/{day.symbol}", params={"limit": 2}).json()
    rest = day.trader.get(f"/api/trades/{day.symbol}", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [trade["quantity"] for trade in first["trades"] + rest["trades"]] == ["3", "2", "1"]
    assert rest["next_cursor"] is None
    found = eventually(lambda: rows(day.trader, "/api/positions", "positions", symbol=day.symbol, limit=1))
    assert found[0]["symbol"] == day.symbol
    assert rows(day.trader, "/api/positions", "positions", symbol=day.quiet) == []
    beyond = {"cursor": f"{day.account}|{day.symbol}"}
    assert day.trader.get("/api/positions", params=beyond).json() == {"positions": [], "next_cursor": None}


def test_executions_of_one_order_and_of_a_time(day: Day) -> None:
    fills = rows(day.trader, "/api/executions", "executions")
    assert rows(day.trader, "/api/executions", "executions", order_id=day.orders[1]) == fills[1:2]
    assert rows(day.trader, "/api/executions", "executions", start_ns=fills[1]["ts_ns"]) == fills[:2]
    assert rows(day.trader, "/api/executions", "executions", end_ns=fills[1]["ts_ns"]) == fills[2:]
    assert rows(day.trader, "/api/executions", "executions", side="sell") == []


def test_the_database_says_the_same_as_memory(gateway: Running, day: Day) -> None:
    """The same order, from a gateway that has it in memory and as Postgres gives it."""
    history = gateway.gateway
    shown = {order["order_id"]: order for order in rows(day.trader, "/api/orders", "orders")}
    memory = set(history.hub.state.orders)
    assert set(shown) <= memory
    assert all(order["text"] is None for order in shown.values())


def test_executions(day: Day) -> None:
    found = rows(day.trader, "/api/executions", "executions")
    assert [(fill["quantity"], fill["price"], fill["liquidity"]) for fill in found] == [
        ("3", "102.00", "taker"),
        ("2", "101.00", "taker"),
        ("1", "100.00", "taker"),
    ]
    assert set(found[0]) == {*Fill.__struct_fields__}
    assert {fill["account"] for fill in found} == {day.account}
    assert isinstance(found[0]["ts_ns"], str)
    assert rows(day.trader, "/api/executions", "executions", symbol=day.quiet) == []
    other = rows(day.counterparty, "/api/executions", "executions")
    assert [fill["trade_id"] for fill in other] == [fill["trade_id"] for fill in found]
    assert {fill["fill_id"] for fill in other}.isdisjoint(fill["fill_id"] for fill in found)


def test_positions_and_pnl(day: Day) -> None:
    def held() -> dict[str, Any]:
        found = rows(day.trader, "/api/positions", "positions")
        return found[0] if found and found[0]["quantity"] == "6" else {}

    position = eventually(held)
    assert set(position) == {*Position.__struct_fields__}
    assert (position["account"], position["symbol"]) == (day.account, day.symbol)
    assert Decimal(position["cost"]) == 1 * 100 + 2 * 101 + 3 * 102

    def valued() -> dict[str, Any]:
        found = rows(day.trader, "/api/pnl", "pnl", account=day.account)
        mark = found[0]["marks"].get(day.symbol) if found else None
        return found[0] if mark and mark["quantity"] == "6" else {}

    pnl = eventually(valued)
    assert set(pnl) == {*Pnl.__struct_fields__}
    assert pnl["deposits"] == "1000000.00"
    total = Decimal(pnl["deposits"]) + Decimal(pnl["realized_pnl"]) + Decimal(pnl["unrealized_pnl"])
    assert Decimal(pnl["equity"]) == total - Decimal(pnl["fees"])
    account = day.trader.get("/api/account").json()
    assert (account["username"], account["role"]) == ("tester", "trader")
    (shown,) = account["accounts"]
    assert (shown["account"], shown["currency"], shown["deposits"]) == (day.account, "USD", "1000000.00")
    assert shown["pnl"]["account"] == day.account


def test_instruments(day: Day) -> None:
    found = rows(day.trader, "/api/instruments", "instruments")
    by_symbol = {instrument["symbol"]: instrument for instrument in found}
    assert {"AAPL", "BTCUSD", day.symbol} <= set(by_symbol)
    assert set(by_symbol[day.symbol]) == {*Instrument.__struct_fields__}
    assert by_symbol[day.symbol]["tick_size"] == "0.01"


def test_book(day: Day) -> None:
    place(day.trader, day.symbol, limit_price=40)
    path = f"/api/book/{day.symbol}"
    book = eventually(lambda: (b := day.trader.get(path).json()) and len(b["bids"]) == 2 and b)
    assert book["bids"] == [["51.00", "10", 1], ["40.00", "10", 1]]
    assert book["asks"] == []
    assert day.trader.get(path, params={"levels": 1}).json()["bids"] == [["51.00", "10", 1]]


def test_the_tape(day: Day) -> None:
    found = rows(day.trader, f"/api/trades/{day.symbol}", "trades")
    assert [(trade["price"], trade["quantity"], trade["aggressor_side"]) for trade in found] == [
        ("102.00", "3", "buy"),
        ("101.00", "2", "buy"),
        ("100.00", "1", "buy"),
    ]
    assert set(found[0]) == {*Trade.__struct_fields__}
    assert rows(day.trader, f"/api/trades/{day.symbol}", "trades", limit=1) == found[:1]
    assert rows(day.trader, f"/api/trades/{day.quiet}", "trades") == []


def test_candles(day: Day) -> None:
    trades = rows(day.trader, f"/api/trades/{day.symbol}", "trades")
    (candle,) = rows(day.trader, f"/api/candles/{day.symbol}", "candles", interval=86400)
    assert candle == {
        "time_s": int(trades[0]["transact_ns"]) // 86_400_000_000_000 * 86_400,
        "open": "100.00",
        "high": "102.00",
        "low": "100.00",
        "close": "102.00",
        "volume": "6",
    }
    seconds = rows(day.trader, f"/api/candles/{day.symbol}", "candles", interval=1)
    assert sum(int(candle["volume"]) for candle in seconds) == 6
    assert [candle["time_s"] for candle in seconds] == sorted(candle["time_s"] for candle in seconds)
    assert rows(day.trader, f"/api/candles/{day.symbol}", "candles", interval=1, limit=1) == seconds[-1:]
    assert rows(day.trader, f"/api/candles/{day.quiet}", "candles") == []
    path, start = f"/api/candles/{day.symbol}", candle["time_s"]
    assert rows(day.trader, path, "candles", interval="1d", start_s=start, end_s=start + 86_400) == [candle]
    assert rows(day.trader, path, "candles", interval="1d", end_s=start) == []
    assert rows(day.trader, path, "candles", interval="1d", start_s=start + 86_400) == []


def test_analytics(day: Day) -> None:
    """What was bought at 100, 101 and 102 is sold at 110: 3 of it close the position of the first fills."""

    def closed() -> dict[str, Any]:
        found: dict[str, Any] = day.trader.get("/api/analytics", params={"points": 10}).json()
        return found if found["total"]["fills"] == 4 and found["equity"] else {}

    place(day.counterparty, day.symbol, quantity=6, limit_price=110)
    place(day.trader, day.symbol, side="sell", quantity=6, limit_price=110)
    shown = eventually(closed)
    total = shown["total"]
    assert Decimal(total["realized_pnl"]) == 660 - (100 + 202 + 306)
    assert Decimal(total["net_pnl"]) == Decimal(total["realized_pnl"]) - Decimal(total["fees"])
    assert Decimal(total["fees"]) == sum(
        Decimal(fill["fee"]) for fill in rows(day.trader, "/api/executions", "executions")
    )
    assert (total["wins"], total["losses"], total["win_rate"], total["profit_factor"]) == (1, 0, "1.0000", None)
    (by_symbol,) = shown["by_symbol"]
    (by_day,) = shown["by_day"]
    assert {**total, "symbol": day.symbol} == by_symbol
    assert {**total, "day": by_day["day"]} == by_day
    assert len(shown["equity"]) <= 11
    assert [int(point["ts_ns"]) for point in shown["equity"]] == sorted(int(p["ts_ns"]) for p in shown["equity"])
    assert shown["figures"]["final_equity"] == pytest.approx(float(shown["equity"][-1]["equity"]))
    assert shown["figures"]["net_profit"] == pytest.approx(
        shown["figures"]["final_equity"] - shown["figures"]["starting_equity"] - shown["figures"]["deposits"]
    )
    assert shown["figures"]["max_drawdown"] >= 0
    names = ("fills", "fees", "round_trips", "hit_rate", "slippage_bps", "markouts", "by_strategy")
    told = {name: shown["report"][name] for name in names}
    written = msgspec.to_builtins(live.read(day.dsn, day.account, 0, int(shown["as_of_ns"])).figures)
    assert told == {name: written[name] for name in told}, "as the tear sheet has it"
    nothing = day.trader.get("/api/analytics", params={"end_ns": 1}).json()
    assert (nothing["figures"]["returns"], nothing["figures"]["sharpe"]) == (0, None)
    assert (nothing["equity"], nothing["total"]["fills"], nothing["max_drawdown"]) == ([], 0, None)
    assert day.trader.get("/api/analytics", params={"account": day.other}).status_code == 403


def test_the_system_describes_itself(gateway: Running, day: Day) -> None:
    shown = day.trader.get("/api/system").json()
    assert shown["healthy"] is True
    assert int(shown["last_seq"]) > 0
    assert {lag["consumer"] for lag in shown["lag"]} == {"gateway", "sink-postgres", "sink-redis"}
    assert all(lag["records"] is not None and lag["records"] >= 0 for lag in shown["lag"])
    assert shown["latency"]["order_to_reply"]["count"] > 0
    assert shown["latency"]["order_to_reply"]["p50_ms"] <= shown["latency"]["order_to_reply"]["p99_ms"]
    (feed,) = [feed for feed in shown["feeds"] if feed["symbol"] == day.symbol]
    assert feed["bid"] == "51.00"
    assert feed["book_age_ms"] >= 0
    # Of the system's own gateway, which has a launcher.
    real = httpx.get(f"{gateway.system.url}/api/system", headers=dict(day.trader.headers)).json()
    assert {"engine", "gateway", "kafka"} <= {process["name"] for process in real["processes"]}
    assert all(process["state"] == "ready" for process in real["processes"])


@pytest.mark.parametrize("path", ["/api/book/NOPE", "/api/trades/NOPE", "/api/candles/NOPE", "/api/book/%00"])
def test_symbols_that_are_not_there(trader: httpx.Client, path: str) -> None:
    refused = trader.get(path)
    assert (refused.status_code, refused.json()["reason"], refused.json()["field"]) == (404, "unknown_symbol", "symbol")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/orders?status=wroking", "status"),
        ("/api/orders?limit=0", "limit"),
        ("/api/orders?limit=1001", "limit"),
        ("/api/orders?limit=ten", "limit"),
        ("/api/orders?limit=1&limit=2", "limit"),
        ("/api/orders?cursor=x", "cursor"),
        ("/api/orders?cursor=-1.0", "cursor"),
        ("/api/orders?page=2", "page"),
        ("/api/orders?symbol=%00", "symbol"),
        ("/api/orders/1?x=1", "x"),
        ("/api/executions?cursor=9223372036854775807.99999999", "cursor"),
        ("/api/executions?status=new", "status"),
        ("/api/positions?page=1", "page"),
        ("/api/orders?sort=best", "sort"),
        ("/api/orders?side=both", "side"),
        ("/api/orders?start_ns=now", "start_ns"),
        ("/api/executions?order_id=0", "order_id"),
        ("/api/candles/AAPL?start_s=-1", "start_s"),
        ("/api/analytics?points=1", "points"),
        ("/api/book/AAPL?levels=21", "levels"),
        ("/api/book/AAPL?levels=%C2%B2", "levels"),
        ("/api/trades/AAPL?limit=-1", "limit"),
        ("/api/candles/AAPL?interval=0", "interval"),
        ("/api/candles/AAPL?interval=86401", "interval"),
    ],
)
def test_parameters_that_are_refused(trader: httpx.Client, path: str, field: str) -> None:
    refused = trader.get(path)
    assert (refused.status_code, refused.json()["field"]) == (422, field), refused.text
    assert refused.json()["reason"] == "invalid_field"


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/api/nothing", 404, None),
        ("POST", "/api/nothing", 404, None),
        ("GET", "/api/orders/", 404, None),
        ("POST", "/nothing", 404, None),
        ("GET", "/api/order", 405, {"POST"}),
        ("PUT", "/api/orders/1", 405, {"GET", "HEAD", "PATCH", "DELETE"}),
        ("POST", "/api/orders", 405, {"GET", "HEAD", "DELETE"}),
        ("TRACE", "/api/orders", 405, {"GET", "HEAD", "DELETE"}),
    ],
)
def test_routes_and_methods_that_are_not_there(
    trader: httpx.Client, method: str, path: str, status: int, allow: set[str] | None
) -> None:
    refused = trader.request(method, path)
    assert refused.status_code == status
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["status"] == status
    if allow is not None:
        assert set(refused.headers["allow"].split(", ")) == allow


def test_head_answers_like_get_without_a_body(trader: httpx.Client) -> None:
    answer = trader.head("/api/orders")
    assert (answer.status_code, answer.content) == (200, b"")
