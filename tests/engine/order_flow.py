"""A small exchange, and seeded streams of commands for it, for tests that compare two engines.

Prices are drawn close together so that much trades; about one command in seven is odd in some way; repeats, unknown
ids and closed orders are among them. The same seed gives the same commands.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.layout import COMMAND
from engine.messages import DefineAccount, DefineInstrument
from engine.words import CommandType, OrderType, Side, Source, TimeInForce

ACCOUNTS: Final = ("ann", "bob", "cat", "dan")
INSTRUMENTS: Final = (
    # A narrow band, with a rebate for makers.
    DefineInstrument(
        symbol="NARROW",
        tick_size=Decimal("0.01"),
        lot_size=Decimal(1),
        price_min=Decimal("0.95"),
        price_max=Decimal("1.05"),
        maker_fee_ppm=-20,
        taker_fee_ppm=30,
    ),
    # The widest band there is: its prices reach every layer of the matcher's index of levels.
    DefineInstrument(
        symbol="WIDE",
        tick_size=Decimal("0.5"),
        lot_size=Decimal("0.0001"),
        price_min=Decimal("10000"),
        price_max=Decimal("141071.5"),
        maker_fee_ppm=0,
        taker_fee_ppm=-7,
    ),
    # Fees as high as they go, on the smallest unit of money.
    DefineInstrument(
        symbol="DEAR",
        tick_size=Decimal("0.000001"),
        lot_size=Decimal(1),
        price_min=Decimal("0.000001"),
        price_max=Decimal("0.000040"),
        maker_fee_ppm=99_999,
        taker_fee_ppm=100_000,
    ),
)
WIDE_LEVELS: Final = (
    *(0, 1, 63, 64, 4_095, 4_096, 4_160, 131_071, 131_072, 135_169, 200_000),
    *(200_001, 258_048, 258_111, 258_112, 262_079, 262_080, 262_142, 262_143),
)
"""On both sides of the borders of 2^6, 2^12 and 2^18."""
PRICES: Final = (
    np.array([95, 98, 99, 100, 101, 102, 105]),
    20_000 + np.array(WIDE_LEVELS),
    np.arange(1, 12),
)
"""Ticks inside each instrument's band; few, so that orders meet, and so that queues are long in the first."""


def define(engine: Any, first_seq: int = 1) -> int:
    """Opens the small exchange in an engine; returns the next free seq."""
    seq = first_seq
    for definition in INSTRUMENTS:
        engine.administer(seq, seq * 1000, definition)
        seq += 1
    for account in ACCOUNTS:
        engine.administer(seq, seq * 1000, DefineAccount(account=account, deposit=Decimal(1000)))
        seq += 1
    return seq


def command(seq: int, kind: CommandType, **fields: Any) -> NDArray[Any]:
    """One COMMAND record, stamped."""
    record = np.zeros(1, COMMAND)
    record["seq"] = seq
    record["ts_ns"] = seq * 1000
    record["type"] = int(kind)
    record["source_offset"] = -1
    record["source"] = int(Source.ZEROMQ)
    for name, value in fields.items():
        record[name] = value
    return record


def stream(seed: int, count: int, first_seq: int) -> NDArray[Any]:
    """`count` COMMAND records."""
    rng = np.random.default_rng(seed)
    commands = np.zeros(count, COMMAND)
    for k, record in enumerate(_commands(rng, first_seq)):
        if k == count:
            break
        # A tenth of the commands come a second time, half of them changed.
        if k > 10 and rng.random() < 0.1:
            earlier = commands[k - int(rng.integers(1, min(k, 40)))].copy()
            if rng.random() < 0.5:
                _change(rng, earlier)
            earlier["seq"], earlier["ts_ns"] = record["seq"], record["ts_ns"]
            record = earlier
        record["transact_ns"] = rng.integers(0, 1 << 40)
        record["source"] = rng.integers(1, 6)
        record["actor"] = b"actor-%d" % rng.integers(3)
        commands[k] = record
    return commands


def sweep(count: int, first_seq: int) -> NDArray[Any]:
    """`count` sellers of one lot, and a buyer of all they have and more; twice as many buyers, and a seller to all of
    them; and an end to it."""
    sellers = _crowd(count, first_seq, Side.SELL)
    buyers = _crowd(2 * count, first_seq + len(sellers), Side.BUY)
    end = command(first_seq + len(sellers) + len(buyers), CommandType.CANCEL_ALL, account=1)
    return np.concatenate([sellers, buyers, end])


def _crowd(count: int, first_seq: int, side: Side) -> NDArray[Any]:
    orders = np.concatenate([command(first_seq + k, CommandType.NEW, account=1) for k in range(count + 1)])
    orders["client_order_id"] = [b"crowd-%d" % seq for seq in orders["seq"]]
    orders["instrument"] = 1
    orders["order_type"] = int(OrderType.LIMIT)
    orders["time_in_force"] = int(TimeInForce.DAY)
    orders["quantity"] = 1
    orders["side"] = int(side)
    orders["limit_price"] = PRICES[0][np.arange(count + 1) % 3]
    orders["quantity"][-1] = count + 7
    orders["side"][-1] = int(Side.SELL if side == Side.BUY else Side.BUY)
    orders["limit_price"][-1] = PRICES[0][2] if side == Side.SELL else PRICES[0][0]
    return orders


def ladder(first_seq: int) -> NDArray[Any]:
    """An order at every level of the wide instrument, traded away one after another by market orders; first the buyers,
    then the sellers. So the next best level is looked for over every border of the index of levels."""
    records = []
    for side, other in ((Side.BUY, Side.SELL), (Side.SELL, Side.BUY)):
        for price in [*PRICES[1], *[0] * len(WIDE_LEVELS)]:
            record = command(first_seq + len(records), CommandType.NEW, account=2, instrument=2, quantity=1)
            record["client_order_id"] = b"ladder-%d" % len(records)
            record["order_type"] = int(OrderType.LIMIT if price else OrderType.MARKET)
            record["time_in_force"] = int(TimeInForce.DAY)
            record["side"] = int(side if price else other)
            record["limit_price"] = price
            records.append(record)
    return np.concatenate(records)


def _commands(rng: np.random.Generator, first_seq: int) -> Iterator[Any]:
    kinds = (CommandType.NEW, CommandType.CANCEL, CommandType.REPLACE, CommandType.CANCEL_ALL)
    chances = (0.54, 0.14, 0.31, 0.01)
    seq = first_seq
    orders: list[Any] = []  # the commands that may have become orders
    while True:
        kind = kinds[int(rng.choice(4, p=chances))]
        record = command(
            seq, kind, account=rng.integers(1, len(ACCOUNTS) + 1), strategy=b"strategy-%d" % rng.integers(3)
        )[0]
        if kind == CommandType.NEW:
            _ask(rng, record, seq)
            may_rest = record["order_type"] == OrderType.LIMIT and record["time_in_force"] != TimeInForce.IOC
            if may_rest or rng.random() < 0.2:
                orders.append(record)
        elif kind == CommandType.CANCEL_ALL:
            record["account"] = rng.integers(0, len(ACCOUNTS) + 2)
            record["instrument"] = rng.integers(0, len(INSTRUMENTS) + 1)
            record["side"] = rng.integers(0, 3)
        elif orders:
            # Of the recent past: it may be closed by now.
            target = orders[-min(len(orders), int(rng.geometric(0.06)))]
            _name_order(rng, record, target)
            if kind == CommandType.REPLACE:
                _ask_change(rng, record, target)
        if rng.random() < 0.14:
            _spoil(rng, record)
        yield record
        seq += int(rng.integers(1, 3))


def _ask(rng: np.random.Generator, record: Any, seq: int) -> None:
    # Few orders have an id that was used before, and that other accounts use too.
    record["client_order_id"] = b"order-%d" % (seq if rng.random() < 0.9 else rng.integers(5))
    instrument = int(rng.choice([1, 2, 3], p=[0.5, 0.25, 0.25]))
    record["instrument"] = instrument
    record["side"] = rng.integers(1, 3)
    record["quantity"] = rng.integers(1, 5 if instrument == 3 else 30)
    record["time_in_force"] = rng.choice([TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC], p=[0.5, 0.3, 0.2])
    if rng.random() < 0.12:
        record["order_type"] = OrderType.MARKET
    else:
        record["order_type"] = OrderType.LIMIT
        record["limit_price"] = _price(rng, instrument, int(record["side"]))


def _price(rng: np.random.Generator, instrument: int, side: int) -> int:
    """Buyers ask a little lower than sellers, so that the books fill while much still trades."""
    prices = PRICES[instrument - 1]
    reach = len(prices) * 2 // 3
    place = int(rng.integers(0, reach))
    return int(prices[place] if side == Side.BUY else prices[len(prices) - 1 - place])


def _name_order(rng: np.random.Generator, record: Any, target: Any) -> None:
    """By either of its names; one time in ten in the name of an account that may not be its own."""
    if rng.random() < 0.9:
        record["account"] = target["account"]
    if rng.random() < 0.7:
        record["order_id"] = target["seq"]
    else:
        record["client_order_id"] = target["client_order_id"]


def _ask_change(rng: np.random.Generator, record: Any, target: Any) -> None:
    if rng.random() < 0.7 and target["quantity"] > 0:
        # About as much as before, about as much as may be filled by now, or the same.
        quantity = int(target["quantity"])
        choices = (quantity, quantity + int(rng.integers(-10, 6)), int(rng.integers(1, quantity + 1)))
        record["quantity"] = max(0, choices[int(rng.integers(3))])
    if rng.random() < 0.5 and 1 <= target["instrument"] <= len(INSTRUMENTS):
        record["limit_price"] = _price(rng, int(target["instrument"]), int(target["side"]))


UNUSUAL: Final[dict[str, tuple[Any, ...]]] = {
    "account": (0, 5, 2**32 - 1),
    "instrument": (0, 4, 64, 65, 2**32 - 1),
    "side": (0, 3, 255),
    "type": (0, 5, 16, 255),
    "order_type": (0, OrderType.MARKET, 3, 5, 6, 255),
    "time_in_force": (0, 3, 5, 7, 8, 255),
    "flags": (1, 4, 128),
    "display_quantity": (1, -1),
    "stop_price": (100, -1),
    "trail": (1, -1),
    "expires_ns": (1, -1),
    "self_trade_prevention": (1, 255),
    "quantity": (0, -1, 2**40, 2**40 + 1, 2**62, -(2**63)),
    "limit_price": (0, -1, 1, 94, 106, 19_999, 282_144, 2**62, -(2**63)),
    "client_order_id": (
        b"",
        b"a b",
        b"\x7f",
        b"\xff\xfe",
        b"tab\t",
        b"a\x00b",
        b"\x00a",
        b"\x00" * 8 + b"a",
        b"~" * 48,
        b"!",
    ),
    "order_id": (1, 2**63, 2**64 - 1),
    "strategy": (b"", b"~" * 16),
}
SPOILED: Final = tuple((name, value) for name, values in UNUSUAL.items() for value in values)


def _spoil(rng: np.random.Generator, record: Any) -> None:
    """Sets one field to something that it should not, or seldom, be."""
    name, value = SPOILED[int(rng.integers(len(SPOILED)))]
    record[name] = value


CHANGES: Final = (
    *("instrument", "quantity", "limit_price", "stop_price", "trail", "display_quantity", "expires_ns", "side"),
    *("order_type", "time_in_force", "flags", "self_trade_prevention", "strategy"),
)


def _change(rng: np.random.Generator, record: Any) -> None:
    """One field, or two neighbours by as much: a careless comparison of contents might let these cancel out."""
    first = int(rng.integers(len(CHANGES)))
    for name in CHANGES[first : first + int(rng.integers(1, 3))]:
        record[name] = b"strategy-x" if name == "strategy" else min(2**40, max(0, int(record[name]))) ^ 1
