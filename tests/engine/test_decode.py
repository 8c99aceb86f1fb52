"""Every door's decoder: bad input gets one error that names the field and the reason."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from engine.core import Core
from engine.decode import decode, parse
from engine.messages import DefineAccount
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
        ({"quantity": "NaN"}, Reason.INVALID_QUANTITY, "quantity"),
        ({"quantity": "1e30"}, Reason.INVALID_QUANTITY, "quantity"),
        ({"quantity": "1e999999"}, Reason.INVALID_QUANTITY, "quantity"),
        ({"quantity": "1.5"}, Reason.QUANTITY_INCREMENT, "quantity"),
        ({"quantity": "ten"}, Reason.INVALID_FIELD, "quantity"),
        ({"limit_price": "-1"}, Reason.INVALID_PRICE, "limit_price"),
        ({"limit_price": "0"}, Reason.INVALID_PRICE, "limit_price"),
        ({"limit_price": "Infinity"}, Reason.INVALID_PRICE, "limit_price"),
        ({"limit_price": "190.001"}, Reason.PRICE_INCREMENT, "limit_price"),
        ({"limit_price": "0.50"}, Reason.PRICE_BAND, "limit_price"),
        ({"limit_price": "2000.01"}, Reason.PRICE_BAND, "limit_price"),
        ({"limit_price": "1e40"}, Reason.PRICE_BAND, "limit_price"),
        ({"limit_price": None}, Reason.MISSING_FIELD, "limit_price"),
        ({"side": "long"}, Reason.INVALID_FIELD, "side"),
        ({"order_type": "magic"}, Reason.INVALID_FIELD, "order_type"),
        ({"time_in_force": "never"}, Reason.INVALID_FIELD, "time_in_force"),
        ({"client_order_id": "x" * 49}, Reason.INVALID_FIELD, "client_order_id"),
        ({"client_order_id": "a b"}, Reason.INVALID_FIELD, "client_order_id"),
        ({"symbol": "THIS-SYMBOL-IS-TOO-LONG"}, Reason.INVALID_FIELD, "symbol"),
        ({"symbol": 5}, Reason.INVALID_FIELD, "symbol"),
        ({"transact_ns": -1}, Reason.INVALID_FIELD, "transact_ns"),
        ({"stop_price": "1"}, Reason.UNSUPPORTED, "stop_price"),
        ({"limt_price": "1"}, Reason.INVALID_FIELD, "limt_price"),
        ({"type": "buy"}, Reason.INVALID_FIELD, "type"),
    ],
)
def test_names_the_field(core: Core, change: dict[str, object], reason: Reason, field: str) -> None:
    found = refusal(core, msgspec.json.encode(GOOD | change))
    assert (found.reason, found.field) == (reason, field)
    assert field in found.text or reason is Reason.UNSUPPORTED


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


@pytest.mark.parametrize("quantity", ["10", 10, 10.0, "10.0", "1e1"])
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


def test_an_exact_price_survives(core: Core) -> None:
    [record] = decode(parse(msgspec.json.encode(GOOD | {"limit_price": 0.29 + 189.0})), core.instruments, core.accounts)
    assert record["limit_price"] * Decimal("0.01") == Decimal("189.29")
