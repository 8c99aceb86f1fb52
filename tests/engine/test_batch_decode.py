"""The fast way from JSON to records gives what the long way gives, or leaves it to the long way."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.batch_decode import BatchDecoder
from engine.decode import decode
from engine.directory import account_entry
from engine.messages import DefineInstrument
from engine.reading import parse
from engine.refusal import Refusal
from engine.registry import Accounts, InstrumentEntry, Instruments, max_quantity
from engine.units import Scale

SIZES = {
    "AAPL": ("0.01", "1", "1.00", "2000.00"),
    "BTCUSD": ("0.50", "0.0001", "10000.00", "140000.00"),
    "BIG": ("5", "100", "5", "10000"),
}
NEW = {
    "type": "new",
    "account": "demo",
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "10",
    "limit_price": "190.25",
    "client_order_id": "mine-1",
}
CANCEL = {"type": "cancel", "account": "demo", "symbol": "AAPL", "client_order_id": "mine-1"}
REPLACE = {"type": "replace", "account": "demo", "symbol": "BTCUSD", "order_id": "77", "quantity": "0.5"}


def instruments() -> Instruments:
    made = Instruments()
    for number, (symbol, sizes) in enumerate(SIZES.items(), 1):
        tick, lot, low, high = (Decimal(text) for text in sizes)
        definition = DefineInstrument(symbol=symbol, tick_size=tick, lot_size=lot, price_min=low, price_max=high)
        scale = Scale(tick, lot)
        most = max_quantity(scale.ticks(high), scale.money_per_tick_lot)
        made.put(InstrumentEntry(number, definition, scale, scale.ticks(low), scale.ticks(high), most, 1, 1))
    return made


def accounts() -> Accounts:
    made = Accounts()
    for number, account in enumerate(("demo", "a.b:c/d-e_f:16-16", "x"), 1):
        made.put(account_entry(number, account[:16]))
    return made


INSTRUMENTS, ACCOUNTS = instruments(), accounts()
DECODER = BatchDecoder(INSTRUMENTS, ACCOUNTS)


def long_way(value: bytes) -> bytes | None:
    """The record, None where it is refused."""
    try:
        return decode(parse(value), INSTRUMENTS, ACCOUNTS).tobytes()
    except Refusal:
        return None


def check(values: list[bytes]) -> list[bool]:
    """Which of them went the fast way: these are as the long way has them."""
    records, plain = DECODER.decode(values)
    for value, record, good in zip(values, records, plain, strict=True):
        if good:
            assert record.tobytes() == long_way(value), value
    return plain.tolist()


@pytest.mark.parametrize(
    "fields",
    [
        NEW,
        {**NEW, "order_type": "limit", "time_in_force": "gtc"},
        {**NEW, "limit_price": "190.250000", "quantity": "0010"},
        {**{k: v for k, v in NEW.items() if k != "limit_price"}, "order_type": "market", "time_in_force": "ioc"},
        {**NEW, "symbol": "BTCUSD", "limit_price": "68000.5", "quantity": "0.0001"},
        {**NEW, "symbol": "BIG", "limit_price": "15", "quantity": "300.0"},
        {**NEW, "account": "a.b:c/d-e_f:16-1", "client_order_id": "~" * 48},
        CANCEL,
        {**CANCEL, "order_id": "123"},
        {"type": "cancel", "account": "x", "order_id": "00012345678901234"},
        REPLACE,
        {**REPLACE, "limit_price": "68000"},
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_plain_orders_go_the_fast_way(fields: dict[str, str], separators: tuple[str, str]) -> None:
    assert check([json.dumps(fields, separators=separators).encode()]) == [True]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{}",
        b"[]",
        b'{"type"}',
        json.dumps(NEW).encode() + b"x",
        json.dumps(NEW)[:-1].encode(),
        json.dumps(NEW)[:-1].encode() + b",}",
        json.dumps(NEW)[:-1].encode() + b',"symbol":"AAPL"}',
        json.dumps({**NEW, "quantity": 10}).encode(),
        json.dumps({**NEW, "quantity": "1e1"}).encode(),
        json.dumps({**NEW, "quantity": "-1"}).encode(),
        json.dumps({**NEW, "quantity": "10."}).encode(),
        json.dumps({**NEW, "quantity": ".5"}).encode(),
        json.dumps({**NEW, "quantity": "0"}).encode(),
        json.dumps({**NEW, "quantity": "1.5"}).encode(),
        json.dumps({**NEW, "limit_price": "190.255"}).encode(),
        json.dumps({**NEW, "limit_price": "2000.01"}).encode(),
        json.dumps({**NEW, "limit_price": "9" * 40}).encode(),
        json.dumps({**NEW, "account": "nobody"}).encode(),
        json.dumps({**NEW, "account": ""}).encode(),
        json.dumps({**NEW, "symbol": "AAPL" * 5}).encode(),
        json.dumps({**NEW, "side": "long"}).encode(),
        json.dumps({**NEW, "time_in_force": "gtd"}).encode(),
        json.dumps({**NEW, "order_type": "stop", "stop_price": "1.00"}).encode(),
        json.dumps({**NEW, "order_type": "market"}).encode(),
        json.dumps({**NEW, "post_only": True}).encode(),
        json.dumps({**NEW, "client_order_id": "a b"}).encode(),
        json.dumps({**NEW, "client_order_id": "é"}).encode(),
        json.dumps({**NEW, "client_order_id": "a" * 49}).encode(),
        json.dumps({**NEW, "order_id": "1"}).encode(),
        json.dumps({**CANCEL, "side": "buy"}).encode(),
        json.dumps({**CANCEL, "order_id": "0"}).encode(),
        json.dumps({**REPLACE, "symbol": None}).encode(),
        json.dumps({"type": "cancel_all", "account": "demo"}).encode(),
    ],
)
def test_all_others_go_the_long_way(value: bytes) -> None:
    assert check([value]) == [False]


def test_a_name_that_is_new_is_known_at_once() -> None:
    known = accounts()
    decoder = BatchDecoder(INSTRUMENTS, known)
    value = json.dumps({**NEW, "account": "later"}).encode()
    assert not decoder.decode([value])[1].any()
    known.put(account_entry(4, "later"))
    records, plain = decoder.decode([value])
    assert plain.all()
    assert int(records["account"][0]) == 4


def test_nothing_is_no_batch() -> None:
    records, plain = DECODER.decode([])
    assert len(records) == len(plain) == 0


words = st.one_of(
    st.sampled_from(["new", "cancel", "replace", "demo", "x", "AAPL", "BIG", "buy", "sell", "limit", "market", "gtc"]),
    st.sampled_from(["ioc", "fok", "opg", "cls", "gtd", "day", "0", "1", "10", "100.5", "190.25", "68000.50"]),
    st.from_regex(r"-?[0-9]{0,19}\.?[0-9]{0,9}", fullmatch=True),
    st.text(max_size=50),
)
values = st.one_of(words, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False))
keys = st.sampled_from([*NEW, "order_type", "time_in_force", "order_id", "stop_price", "strategy", "transact_ns"])
objects = st.tuples(
    st.sampled_from([NEW, CANCEL, REPLACE]), st.dictionaries(keys, values, max_size=3), st.sets(keys, max_size=2)
).map(lambda parts: {k: v for k, v in {**parts[0], **parts[1]}.items() if k not in parts[2]})


def written(fields: dict[str, Any], spaced: bool, cut: int, byte: int | None) -> bytes:
    """As JSON, with a byte of it changed where one is given."""
    text = bytearray(json.dumps(fields, separators=(", ", ": ") if spaced else (",", ":")).encode())
    if byte is not None:
        text[cut % len(text)] = byte
    return bytes(text)


texts = st.builds(
    written,
    objects,
    st.booleans(),
    st.integers(0, 400),
    st.one_of(st.none(), st.integers(0, 255), st.sampled_from(list(b'"{}:,. \\0159'))),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(texts, min_size=1, max_size=20))
def test_whatever_is_written_both_ways_agree(batch: list[bytes]) -> None:
    check(batch)
