"""Every door's decoder: bad input gets one error that names the field and the reason."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from engine.core import Core
from engine.decode import decode
from engine.messages import DefineAccount, DefineInstrument
from engine.reading import parse, parse_administrative
from engine.refusal import Refusal
from engine.words import Reason
from tests.engine.doors import AAPL

GOOD = {"type": "new", "account": "demo", "symbol": "AAPL", "side": "buy", "quantity": "10", "limit_price": "190.00"}


@pytest.fixture(scope="module")
def core() -> Core:
    core = Core(max_orders=1000)
    core.administer(1, 1, AAPL)
    core.administer(2, 1, DefineAccount(account="demo"))
    return core


def refusal(core: Core, data: bytes) -> Refusal:
    with pytest.raises(Refusal) as caught:
        decode(parse(data), core.instruments, core.accounts)
    return caught.value


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"symbol": "ZZZZ"}, Reason.UNKNOWN_SYMBOL, "symbol"),
        ({"account": "nobody"}, Reason.UNKNOWN_ACCOUNT, "account"),
        ({"quantity": "0"}, Reason.INVALID_QUANTITY, "quantity"),
        ({"quantity": "-5"}, Reason.INVALID_QUANTITY, "quantity"),
        ({"quantity": "9" * 31}, Reason.INVALID_QUANTITY, "quantity"),
        ({"quantity": 1e30}, Reason.INVALID_QUANTITY, "quantity"),
        ({"quantity": "NaN"}, Reason.INVALID_FIELD, "quantity"),
        ({"quantity": "1e3"}, Reason.INVALID_FIELD, "quantity"),
        ({"quantity": "1_0"}, Reason.INVALID_FIELD, "quantity"),
        ({"quantity": "+5"}, Reason.INVALID_FIELD, "quantity"),
        ({"quantity": " 5"}, Reason.INVALID_FIELD, "quantity"),
        ({"quantity": "5."}, Reason.INVALID_FIELD, "quantity"),
        ({"quantity": "\u0665"}, Reason.INVALID_FIELD, "quantity"),
        ({"quantity": "1.5"}, Reason.QUANTITY_INCREMENT, "quantity"),
        ({"quantity": "ten"}, Reason.INVALID_FIELD, "quantity"),
        ({"limit_price": "-1"}, Reason.INVALID_PRICE, "limit_price"),
        ({"limit_price": "0"}, Reason.INVALID_PRICE, "limit_price"),
        ({"limit_price": "Infinity"}, Reason.INVALID_FIELD, "limit_price"),
        ({"limit_price": "190.001"}, Reason.PRICE_INCREMENT, "limit_price"),
        ({"limit_price": "0.50"}, Reason.PRICE_BAND, "limit_price"),
        ({"limit_price": "2000.01"}, Reason.PRICE_BAND, "limit_price"),
        ({"limit_price": "1" + "0" * 40}, Reason.PRICE_BAND, "limit_price"),
        ({"limit_price": None}, Reason.MISSING_FIELD, "limit_price"),
        ({"side": "long"}, Reason.INVALID_FIELD, "side"),
        ({"order_type": "magic"}, Reason.INVALID_FIELD, "order_type"),
        ({"time_in_force": "never"}, Reason.INVALID_FIELD, "time_in_force"),
        ({"client_order_id": "x" * 49}, Reason.INVALID_FIELD, "client_order_id"),
        ({"client_order_id": "a b"}, Reason.INVALID_FIELD, "client_order_id"),
        ({"symbol": "THIS-SYMBOL-IS-TOO-LONG"}, Reason.INVALID_FIELD, "symbol"),
        ({"symbol": 5}, Reason.INVALID_FIELD, "symbol"),
        ({"transact_ns": -1}, Reason.INVALID_FIELD, "transact_ns"),
        ({"durability": "forever"}, Reason.INVALID_FIELD, "durability"),
        ({"limt_price": "1"}, Reason.INVALID_FIELD, "limt_price"),
        ({"type": "buy"}, Reason.INVALID_FIELD, "type"),
    ],
)
def test_names_the_field(core: Core, change: dict[str, object], reason: Reason, field: str) -> None:
    found = refusal(core, msgspec.json.encode(GOOD | change))
    assert (found.reason, found.field) == (reason, field)
    assert field in found.text
    assert "[" not in found.text, "a pattern is no sentence"


@pytest.mark.parametrize("missing", ["account", "symbol", "side", "quantity", "limit_price"])
def test_names_what_is_missing(core: Core, missing: str) -> None:
    found = refusal(core, msgspec.json.encode({k: v for k, v in GOOD.items() if k != missing}))
    assert (found.reason, found.field) == (Reason.MISSING_FIELD, missing)


@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"new","account":"d\xff"}',
        b"[" * 5000,
        b'{"a":' * 5000,
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{'a': 1}",
        b'"text"',
        b"12",
    ],
)
def test_what_is_no_message(core: Core, data: bytes) -> None:
    assert refusal(core, data).reason is Reason.MALFORMED


@pytest.mark.parametrize("quantity", ["10", 10, 10.0, "10.0", "010"])
def test_numbers_and_text_are_the_same(core: Core, quantity: object) -> None:
    [record] = decode(parse(msgspec.json.encode(GOOD | {"quantity": quantity})), core.instruments, core.accounts)
    assert record["quantity"] == 10
    assert record["limit_price"] == 19000


@pytest.mark.parametrize(
    ("command", "field"),
    [
        ({"type": "cancel", "account": "demo"}, "order_id"),
        ({"type": "cancel", "account": "demo", "order_id": "x"}, "order_id"),
        ({"type": "cancel", "account": "demo", "order_id": "9" * 5000}, "order_id"),
        ({"type": "cancel", "account": "demo", "order_id": "0"}, "order_id"),
        ({"type": "cancel", "account": "demo", "order_id": "99999999999999999999"}, "order_id"),
        ({"type": "replace", "account": "demo", "order_id": "1", "symbol": "AAPL"}, "quantity"),
        ({"type": "replace", "account": "demo", "order_id": "1", "symbol": "AAPL", "quantity": "0"}, "quantity"),
        ({"type": "cancel_all", "account": "demo", "side": "both"}, "side"),
        ({"type": "cancel_all", "account": "demo", "symbol": "ZZ"}, "symbol"),
    ],
)
def test_changes_name_the_field(core: Core, command: dict[str, object], field: str) -> None:
    assert refusal(core, msgspec.json.encode(command)).field == field


STOP = GOOD | {"order_type": "stop", "stop_price": "191.00", "limit_price": None}
STOP_LIMIT = GOOD | {"order_type": "stop_limit", "stop_price": "191.00"}
TRAILING = GOOD | {"order_type": "trailing_stop", "limit_price": None}
MARKET = GOOD | {"order_type": "market", "limit_price": None}
LATER = 1 << 62


@pytest.mark.parametrize(
    ("order", "change", "reason", "field"),
    [
        (GOOD, {"stop_price": "191.00"}, Reason.INVALID_FIELD, "stop_price"),
        (GOOD, {"trail_amount": "1.00"}, Reason.INVALID_FIELD, "trail_amount"),
        (GOOD, {"trail_percent": "1"}, Reason.INVALID_FIELD, "trail_percent"),
        (MARKET, {"limit_price": "190.00"}, Reason.INVALID_FIELD, "limit_price"),
        (MARKET, {"display_quantity": "1"}, Reason.INVALID_FIELD, "display_quantity"),
        (MARKET, {"post_only": True}, Reason.INVALID_FIELD, "post_only"),
        (STOP, {"stop_price": None}, Reason.MISSING_FIELD, "stop_price"),
        (STOP, {"limit_price": "190.00"}, Reason.INVALID_FIELD, "limit_price"),
        (STOP, {"stop_price": "191.001"}, Reason.PRICE_INCREMENT, "stop_price"),
        (STOP, {"stop_price": "2000.01"}, Reason.PRICE_BAND, "stop_price"),
        (STOP, {"time_in_force": "opg"}, Reason.INVALID_FIELD, "time_in_force"),
        (STOP_LIMIT, {"limit_price": None}, Reason.MISSING_FIELD, "limit_price"),
        (STOP_LIMIT, {"post_only": True}, Reason.INVALID_FIELD, "post_only"),
        (TRAILING, {}, Reason.MISSING_FIELD, "trail_amount"),
        (TRAILING, {"trail_amount": "1", "trail_percent": "1"}, Reason.INVALID_FIELD, "trail_percent"),
        (TRAILING, {"trail_amount": "0"}, Reason.INVALID_FIELD, "trail_amount"),
        (TRAILING, {"trail_amount": "0.001"}, Reason.PRICE_INCREMENT, "trail_amount"),
        (TRAILING, {"trail_amount": "2621.45"}, Reason.INVALID_FIELD, "trail_amount"),
        (TRAILING, {"trail_percent": "0"}, Reason.INVALID_FIELD, "trail_percent"),
        (TRAILING, {"trail_percent": "100"}, Reason.INVALID_FIELD, "trail_percent"),
        (TRAILING, {"trail_percent": "0.00001"}, Reason.INVALID_FIELD, "trail_percent"),
        (GOOD, {"display_quantity": "0"}, Reason.INVALID_QUANTITY, "display_quantity"),
        (GOOD, {"display_quantity": "0.5"}, Reason.QUANTITY_INCREMENT, "display_quantity"),
        (GOOD, {"display_quantity": "11"}, Reason.INVALID_FIELD, "display_quantity"),
        (GOOD, {"display_quantity": "1", "time_in_force": "ioc"}, Reason.INVALID_FIELD, "display_quantity"),
        (GOOD, {"display_quantity": "1", "time_in_force": "cls"}, Reason.INVALID_FIELD, "time_in_force"),
        (GOOD, {"expires_ns": LATER}, Reason.INVALID_FIELD, "expires_ns"),
        (GOOD, {"time_in_force": "gtd"}, Reason.MISSING_FIELD, "expires_ns"),
        (GOOD, {"time_in_force": "gtd", "expires_ns": -1}, Reason.INVALID_FIELD, "expires_ns"),
        (GOOD, {"post_only": True, "time_in_force": "fok"}, Reason.INVALID_FIELD, "post_only"),
        (GOOD, {"post_only": True, "time_in_force": "opg"}, Reason.INVALID_FIELD, "post_only"),
        (GOOD, {"post_only": "yes"}, Reason.INVALID_FIELD, "post_only"),
        (GOOD, {"self_trade_prevention": "sometimes"}, Reason.INVALID_FIELD, "self_trade_prevention"),
    ],
)
def test_what_does_not_belong_together_names_the_field(
    core: Core, order: dict[str, object], change: dict[str, object], reason: Reason, field: str
) -> None:
    found = refusal(core, msgspec.json.encode(order | change))
    assert (found.reason, found.field) == (reason, field)
    assert field in found.text


@pytest.mark.parametrize(
    ("order", "record"),
    [
        (STOP, {"order_type": 3, "stop_price": 19100, "limit_price": 0}),
        (STOP_LIMIT, {"order_type": 4, "stop_price": 19100, "limit_price": 19000}),
        (TRAILING | {"trail_amount": "1.50"}, {"order_type": 5, "trail": 150, "flags": 0}),
        (TRAILING | {"trail_percent": "2.5"}, {"order_type": 5, "trail": 25_000, "flags": 4}),
        (TRAILING | {"trail_percent": "0.0001"}, {"trail": 1, "flags": 4}),
        (GOOD | {"display_quantity": "3"}, {"display_quantity": 3}),
        (GOOD | {"time_in_force": "gtd", "expires_ns": LATER}, {"time_in_force": 3, "expires_ns": LATER}),
        (GOOD | {"post_only": True, "reduce_only": True}, {"flags": 3}),
        (GOOD | {"self_trade_prevention": "decrement"}, {"self_trade_prevention": 5}),
        (GOOD | {"durability": "synced"}, {"durability": 2}),
        (GOOD | {"time_in_force": "opg"}, {"time_in_force": 6}),
        (MARKET, {"order_type": 1, "limit_price": 0}),
    ],
)
def test_each_field_has_its_place_in_the_record(core: Core, order: dict[str, object], record: dict[str, int]) -> None:
    [found] = decode(parse(msgspec.json.encode(order)), core.instruments, core.accounts)
    assert {name: int(found[name]) for name in record} == record


def test_a_replace_moves_a_stop(core: Core) -> None:
    command = {"type": "replace", "account": "demo", "symbol": "AAPL", "order_id": "7", "stop_price": "180.00"}
    [record] = decode(parse(msgspec.json.encode(command)), core.instruments, core.accounts)
    assert (record["type"], record["order_id"], record["stop_price"], record["quantity"]) == (3, 7, 18000, 0)


LEG = {"side": "sell", "quantity": "10", "limit_price": "195.00"}
OCO = {
    "type": "order_list",
    "account": "demo",
    "symbol": "AAPL",
    "list_type": "oco",
    "strategy": "exit",
    "orders": [LEG, {"side": "sell", "quantity": "10", "order_type": "stop", "stop_price": "185.00"}],
}


def test_a_list_is_one_record_a_leg(core: Core) -> None:
    records = decode(parse(msgspec.json.encode(OCO)), core.instruments, core.accounts)
    assert records["flags"].tolist() == [16, 16]
    assert records["order_type"].tolist() == [2, 3]
    assert records["limit_price"].tolist() == [19500, 0]
    assert records["stop_price"].tolist() == [0, 18500]
    assert set(records["strategy"]) == {b"exit"}
    assert set(records["type"]) == {1}


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"list_type": "ladder"}, Reason.INVALID_FIELD, "list_type"),
        ({"orders": [LEG]}, Reason.INVALID_LIST, "orders"),
        ({"list_type": "bracket"}, Reason.INVALID_LIST, "orders"),
        ({"orders": [LEG, LEG | {"quantity": "0"}]}, Reason.INVALID_QUANTITY, "quantity"),
        ({"orders": [LEG, LEG | {"quantity": "1_0"}]}, Reason.INVALID_FIELD, "quantity"),
        ({"orders": [LEG, LEG | {"side": 5}]}, Reason.INVALID_FIELD, "side"),
        ({"orders": [LEG, LEG | {"account": "other"}]}, Reason.INVALID_FIELD, "account"),
        ({"orders": LEG}, Reason.INVALID_FIELD, "orders"),
    ],
)
def test_a_list_names_the_field(core: Core, change: dict[str, object], reason: Reason, field: str) -> None:
    found = refusal(core, msgspec.json.encode(OCO | change))
    assert (found.reason, found.field) == (reason, field)


@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"cancel","account":"demo","order_id":"1","order_id":"2"}',
        b'{"type":"cancel","account":"a","account":"demo","order_id":"1"}',
        b'{"type":"cancel","account":"demo","order_id":"1","order\\u005fid":"2"}',
        msgspec.json.encode(OCO).replace(b'"side":"sell"', b'"side":"buy","side":"sell"', 1),
    ],
)
def test_a_key_stands_once(core: Core, data: bytes) -> None:
    found = refusal(core, data)
    assert found.reason is Reason.MALFORMED
    assert "stands twice" in found.text
    assert found.field in ("order_id", "account", "side")


def test_a_colon_in_a_text_is_no_second_key(core: Core) -> None:
    order = GOOD | {"client_order_id": "a:b:c", "strategy": "x:y"}
    [record] = decode(parse(msgspec.json.encode(order)), core.instruments, core.accounts)
    assert record["client_order_id"] == b"a:b:c"


def test_administrative_decimals_are_plain_too() -> None:
    with pytest.raises(Refusal, match="amount must be a decimal number"):
        parse_administrative(b'{"type":"deposit","account":"demo","amount":"1_000"}')


def test_a_lot_of_a_hundred_millionth(core: Core) -> None:
    """Sizes below 1e-6 print as 1E-8 in Python: neither units nor sentences may depend on that."""
    core.administer(
        core.last_seq + 1,
        1,
        DefineInstrument(
            symbol="BTC",
            tick_size=Decimal(100),
            lot_size=Decimal("1E-8"),
            price_min=Decimal(100),
            price_max=Decimal(10_000_000),
        ),
    )
    order = GOOD | {"symbol": "BTC", "limit_price": "65000"}
    data = msgspec.json.encode(order | {"quantity": "0.00000003"})
    [record] = decode(parse(data), core.instruments, core.accounts)
    assert (record["quantity"], record["limit_price"]) == (3, 650)
    found = refusal(core, msgspec.json.encode(order | {"quantity": "0.000000005"}))
    assert found.reason is Reason.QUANTITY_INCREMENT
    assert "lot size 0.00000001" in found.text
    entry = core.instruments.find("BTC")
    assert entry is not None
    assert entry.scale.quantity_text(3) == "0.00000003"


def test_an_exact_price_survives(core: Core) -> None:
    [record] = decode(parse(msgspec.json.encode(GOOD | {"limit_price": 0.29 + 189.0})), core.instruments, core.accounts)
    assert record["limit_price"] * Decimal("0.01") == Decimal("189.29")
