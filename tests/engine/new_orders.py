"""New orders and lists as they may come: of every type, with terms that go together most of the time."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from small_exchange import ACCOUNTS, PRICES

from engine.words import LIST_SHIFT, LIST_SIZES, Flag, ListType, OrderType, SelfTrade, Side, TimeInForce

TYPES: Final = (OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
TIMES: Final = tuple(TimeInForce)


def price(draw: Random, instrument: int, side: int) -> int:
    """Buyers ask a little lower than sellers, so that the books fill while much still trades."""
    prices = PRICES[instrument - 1]
    place = draw.randrange(len(prices) * 2 // 3)
    return prices[place] if side == Side.BUY else prices[-1 - place]


def an_order(draw: Random, seq: int, ts_ns: int, *, plain: bool = False) -> dict[str, Any]:
    """`plain`: a limit order that rests."""
    (instrument,) = draw.choices((1, 2, 3), (5, 3, 2))
    # Few orders have an id that was used before, and that other accounts use too.
    row = {
        "account": draw.randint(1, len(ACCOUNTS)),
        "client_order_id": b"order-%d" % (seq if draw.random() < 0.95 else draw.randrange(5)),
        "strategy": b"strategy-%d" % draw.randrange(3),
        "instrument": instrument,
        "side": draw.randint(1, 2),
        "quantity": draw.randint(1, 5 if instrument == 3 else 30),
        "flags": 0,
    }
    (row["order_type"],) = draw.choices(TYPES, (12, 56, 12, 12, 8))
    (row["time_in_force"],) = draw.choices(TIMES, (40, 20, 12, 12, 8, 3, 5))
    if plain:
        row["order_type"], row["time_in_force"] = OrderType.LIMIT, TimeInForce.GTC
    if draw.random() < 0.3:
        row["self_trade_prevention"] = int(draw.choice(list(SelfTrade)))
    if draw.random() < 0.1:
        row["flags"] |= Flag.REDUCE_ONLY
    _finish(draw, row, ts_ns)
    return row


def _finish(draw: Random, row: dict[str, Any], ts_ns: int) -> None:
    """The fields that the order's type and time in force ask for."""
    instrument, side, order_type = row["instrument"], row["side"], row["order_type"]
    # A stop waits on the other side of the last trade: a buyer's above it.
    stop_side = Side.SELL if side == Side.BUY else Side.BUY
    if order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT):
        row["limit_price"] = price(draw, instrument, side)
        if draw.random() < 0.15:
            row["display_quantity"] = draw.randint(1, max(1, row["quantity"] // 3))
    if order_type in (OrderType.STOP, OrderType.STOP_LIMIT):
        row["stop_price"] = price(draw, instrument, stop_side)
    if order_type == OrderType.TRAILING_STOP:
        row["trail"] = draw.randint(1, 4) if instrument != 2 else draw.randint(1, 90_000)
        if draw.random() < 0.4:
            row["flags"] |= Flag.TRAIL_PERCENT
            row["trail"] = draw.choice((5, 10_000, 30_000, 200_000, 900_000))
    if row["time_in_force"] == TimeInForce.GTD:
        row["expires_ns"] = ts_ns + draw.choice((10**6, 10**9, 10**10, 10**10))
    if order_type == OrderType.LIMIT and draw.random() < 0.15:
        row["flags"] |= Flag.POST_ONLY


def a_list(draw: Random, seq: int, ts_ns: int) -> list[dict[str, Any]]:
    """Legs that make a list most of the time; now and then one of them is missing."""
    kind = draw.choice(list(ListType))
    first = an_order(draw, seq, ts_ns, plain=draw.random() < 0.6)
    legs = [first, *(_leg(draw, kind, place, first, seq, ts_ns) for place in range(1, LIST_SIZES[kind]))]
    if kind == ListType.OCO:
        legs[0] = _exit(draw, first, int(first["side"]), _exit_types(kind, 0), ts_ns)
        legs[0]["client_order_id"] = first["client_order_id"]
    elif first["time_in_force"] in (TimeInForce.OPG, TimeInForce.CLS) and draw.random() < 0.8:
        first["time_in_force"] = int(TimeInForce.DAY)
    elif first["order_type"] == OrderType.LIMIT:
        first["quantity"] *= 3  # so that it is often filled in part
        for leg in legs[1:]:
            leg["quantity"] *= 3
    for leg in legs:
        leg["flags"] = leg.get("flags", 0) | kind << LIST_SHIFT
    if draw.random() < 0.04:
        legs.pop()
    return legs


def _exit_types(kind: ListType, place: int) -> tuple[OrderType, ...]:
    if kind == ListType.BRACKET:
        return (OrderType.LIMIT,) if place == 1 else TYPES[2:]
    return (OrderType.LIMIT, *TYPES[1:])


def _leg(draw: Random, kind: ListType, place: int, first: dict[str, Any], seq: int, ts_ns: int) -> dict[str, Any]:
    other = Side.SELL if first["side"] == Side.BUY else Side.BUY
    if kind == ListType.OTO:
        leg = an_order(draw, seq + place, ts_ns, plain=draw.random() < 0.3)
        leg |= {name: first[name] for name in ("account", "instrument")}
        leg["quantity"] = draw.randint(1, first["quantity"] + (draw.random() < 0.1))
        for name in ("limit_price", "stop_price", "trail", "display_quantity", "expires_ns"):
            leg.pop(name, None)
        leg["flags"] &= int(Flag.REDUCE_ONLY)
        _finish(draw, leg, ts_ns)
    else:
        side = first["side"] if kind == ListType.OCO else other
        leg = _exit(draw, first, int(side), _exit_types(kind, place), ts_ns)
    leg["client_order_id"] = b"leg-%d-%d" % (seq, place)
    return leg


def _exit(draw: Random, first: dict[str, Any], side: int, types: tuple[OrderType, ...], ts_ns: int) -> dict[str, Any]:
    """One of two orders to leave a position by."""
    leg = {name: first[name] for name in ("account", "instrument", "strategy", "quantity")}
    leg["side"] = side if draw.random() < 0.97 else 3 - side
    leg["order_type"] = draw.choice(types)
    leg["time_in_force"] = draw.choice((TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD))
    leg["flags"] = Flag.REDUCE_ONLY if draw.random() < 0.1 else 0
    if draw.random() < 0.05:
        leg["quantity"] += 1
    if draw.random() < 0.04:
        leg["time_in_force"] = draw.choice(TIMES)
    if draw.random() < 0.04:
        leg["order_type"] = draw.choice(TYPES)
    _finish(draw, leg, ts_ns)
    if draw.random() < 0.95:
        leg["flags"] &= ~Flag.POST_ONLY
    leg["flags"] = int(leg["flags"])
    return leg


def a_scene(draw: Random, seq: int, ts_ns: int) -> list[dict[str, Any]]:
    """An OTO list whose parent trades at once, wholly or in part, and whose child may be more than is allowed: what
    chance alone would seldom bring together."""
    side = draw.randint(1, 2)
    maker, owner = draw.sample((1, 2, 3, 3, 4, 5), 2)
    quantity = draw.choice((5, 20, 20, 350, 350))
    near = draw.choice((98, 99, 100, 101))
    far = near + 1 if side == Side.BUY else near - 1
    common = {"instrument": 1, "order_type": int(OrderType.LIMIT), "time_in_force": int(TimeInForce.GTC)}
    common |= {"self_trade_prevention": int(SelfTrade.NONE), "quantity": quantity, "flags": 0}
    oto = ListType.OTO << LIST_SHIFT
    rows = [
        common | {"account": maker, "side": 3 - side, "limit_price": near, "quantity": draw.choice((quantity, 4))},
        common | {"account": maker, "side": 3 - side, "limit_price": far},
        common | {"account": owner, "side": side, "limit_price": near, "flags": oto},
        common | {"account": owner, "side": side, "limit_price": far, "flags": oto | draw.choice((0, Flag.POST_ONLY))},
    ]
    if draw.random() < 0.4:
        rows[2] |= {"time_in_force": int(TimeInForce.GTD), "expires_ns": ts_ns + 10**6}
    for place, row in enumerate(rows):
        row["client_order_id"] = b"scene-%d-%d" % (seq, place)
    return rows


UNUSUAL: Final[dict[str, tuple[Any, ...]]] = {
    "account": (0, 6, 2**32 - 1),
    "instrument": (0, 4, 64, 65, 2**32 - 1),
    "side": (0, 3, 255),
    "type": (0, 5, 16, 255),
    "order_type": (0, OrderType.MARKET, 3, 5, 6, 255),
    "time_in_force": (0, 3, 5, 6, 7, 8, 255),
    "flags": (1, 2, 4, 8, 16, 32, 48, 64, 128),
    "display_quantity": (1, -1, 2**62),
    "stop_price": (100, -1, 2**62),
    "trail": (1, -1, 2**18, 2**18 + 1, 999_999, 10**6),
    "expires_ns": (1, -1, 2**63 - 1),
    "self_trade_prevention": (1, 5, 6, 255),
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
        b"abc" + b"\x00" * 5 + b"d",
        b"12345678abc" + b"\x00" * 5 + b"d" * 8,
        b"1234567" + b"\x00" + b"8",
        b"12345678",
        b"1234567\x80",
        b"12345678" * 5 + b" 2345678",
        b"~" * 48,
        b"!",
    ),
    "order_id": (1, 2**63, 2**64 - 1),
    "strategy": (b"", b"~" * 16),
}
SPOILED: Final = tuple((name, value) for name, values in UNUSUAL.items() for value in values)
CHANGES: Final = (
    *("instrument", "quantity", "limit_price", "stop_price", "trail", "display_quantity", "expires_ns", "side"),
    *("order_type", "time_in_force", "flags", "self_trade_prevention", "strategy"),
)
