"""The plain orders among many JSON texts, turned into COMMAND records by compiled code, some twenty times as fast as
`reading.parse` and `decode.decode` one by one.

A text is plain where it is a flat object of the usual fields in quoted ASCII without escapes, and where nothing is
wrong with it. Of all others it says only that they are not: they go the long way, which alone refuses anything. So
there is one place that knows what is wrong and how to say it, and what comes from here is what comes from there."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.jit import entry, inlined
from engine.layout import CLIENT_ORDER_ID_LENGTH, COMMAND, NAME_LENGTH
from engine.registry import Accounts, Instruments
from engine.units import steps
from engine.words import CommandType, OrderType, Side, TimeInForce

KEYS: Final = (
    "type",
    "account",
    "symbol",
    "side",
    "quantity",
    "order_type",
    "time_in_force",
    "limit_price",
    "client_order_id",
    "order_id",
)
TYPE, ACCOUNT, SYMBOL, SIDE, QUANTITY, ORDER_TYPE, TIME, PRICE, CLIENT_ID, ORDER_ID = range(len(KEYS))

NEW: Final = int(CommandType.NEW)
CANCEL: Final = int(CommandType.CANCEL)
REPLACE: Final = int(CommandType.REPLACE)
MARKET: Final = int(OrderType.MARKET)
LIMIT: Final = int(OrderType.LIMIT)
DAY: Final = int(TimeInForce.DAY)

NAMES_ONLY: Final = (1 << TYPE) | (1 << ACCOUNT) | (1 << SYMBOL) | (1 << CLIENT_ID)
ALLOWED_NEW: Final = NAMES_ONLY | (1 << SIDE) | (1 << QUANTITY) | (1 << ORDER_TYPE) | (1 << TIME) | (1 << PRICE)
NEEDED_NEW: Final = NAMES_ONLY | (1 << SIDE) | (1 << QUANTITY)
ALLOWED_CANCEL: Final = NAMES_ONLY | (1 << ORDER_ID)
ALLOWED_REPLACE: Final = ALLOWED_CANCEL | (1 << QUANTITY) | (1 << PRICE)

QUOTE: Final = ord('"')
BACKSLASH: Final = ord("\\")
SPACE: Final = ord(" ")
ZERO: Final = ord("0")
DOT: Final = ord(".")
OPEN: Final = ord("{")
CLOSE: Final = ord("}")
COLON: Final = ord(":")
COMMA: Final = ord(",")
MOST_DIGITS: Final = 17
MOST_PLACES: Final = 12
ID_OFFSET: Final = COMMAND.fields["client_order_id"][1] if COMMAND.fields else 0

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
HALF = np.uint64(32)
POWERS = np.array([10**k for k in range(19)], np.int64)

UNIT: Final = np.dtype(
    [
        ("tick_places", "<i8"),  # -1: such prices go the long way
        ("tick_factor", "<i8"),
        ("lot_places", "<i8"),
        ("lot_factor", "<i8"),
        ("price_min", "<i8"),
        ("price_max", "<i8"),
        ("max_quantity", "<i8"),
    ]
)
"""An instrument's: tick = tick_factor × 10^-tick_places; prices in ticks, quantities in lots."""


class Names(NamedTuple):
    """Numbers by names of at most 16 bytes: open addressing."""

    words: NDArray[np.uint64]
    """(place, 2): the name."""
    numbers: NDArray[np.int64]
    """0: the place is empty."""


def names(numbers: dict[str, int]) -> Names:
    made = Names(
        np.zeros((1 << (4 * len(numbers) + 4).bit_length(), 2), np.uint64),
        np.zeros(1 << (4 * len(numbers) + 4).bit_length(), np.int64),
    )
    last = len(made.numbers) - 1
    for name, number in numbers.items():
        first, second = np.frombuffer(name.encode().ljust(NAME_LENGTH, b"\0"), "<u8").tolist()
        place = _place(first, second) & last
        while made.numbers[place]:
            place = (place + 1) & last
        made.words[place] = first, second
        made.numbers[place] = number
    return made


def _place(first: int, second: int) -> int:
    """As `number_of` has it."""
    mixed = (first ^ (second * 3)) * int(MULTIPLIER) & 0xFFFFFFFFFFFFFFFF
    return mixed >> 32


class Tables(NamedTuple):
    """What the compiled code looks words up in."""

    keys: Names
    types: Names
    sides: Names
    order_types: Names
    times: Names
    accounts: Names
    symbols: Names
    units: NDArray[Any]
    """UNIT, by instrument number."""


def _unit(unit: Any, step: Decimal, places: int, name: str) -> None:
    factor = steps(step, Decimal(1).scaleb(-places)) if places <= MOST_PLACES else 0
    plain = 0 < factor < 10**MOST_PLACES
    unit[f"{name}_places"], unit[f"{name}_factor"] = (places, factor) if plain else (-1, 1)


def tables(instruments: Instruments, accounts: Accounts) -> Tables:
    units = np.zeros(len(instruments) + 1, UNIT)
    for entry_ in instruments:
        unit = units[entry_.number]
        _unit(unit, entry_.scale.tick, entry_.scale.tick_places, "tick")
        _unit(unit, entry_.scale.lot, entry_.scale.lot_places, "lot")
        unit["price_min"], unit["price_max"] = entry_.price_min, entry_.price_max
        unit["max_quantity"] = entry_.max_quantity
    without_dates = {word: number for word, number in TimeInForce.words().items() if number != TimeInForce.GTD}
    return Tables(
        keys=names({key: number for number, key in enumerate(KEYS, 1)}),
        types=names({kind.wire: int(kind) for kind in (CommandType.NEW, CommandType.CANCEL, CommandType.REPLACE)}),
        sides=names(Side.words()),
        order_types=names({kind.wire: int(kind) for kind in (OrderType.MARKET, OrderType.LIMIT)}),
        times=names(without_dates),
        accounts=names({account.account: account.number for account in accounts}),
        symbols=names({entry_.definition.symbol: entry_.number for entry_ in instruments}),
        units=units,
    )


@inlined
def number_of(table: Names, text: Any, start: int, end: int) -> Any:
    """The number of the name at text[start:end], 0 where there is none."""
    if end - start > NAME_LENGTH or end == start:
        return 0
    first = np.uint64(0)
    second = np.uint64(0)
    for k in range(start, end):
        at = k - start
        if at < 8:
            first |= np.uint64(text[k]) << np.uint64(8 * at)
        else:
            second |= np.uint64(text[k]) << np.uint64(8 * (at - 8))
    last = table.numbers.shape[0] - 1
    place = np.int64(((first ^ (second * np.uint64(3))) * MULTIPLIER) >> HALF) & last
    while table.numbers[place] != 0:
        if table.words[place, 0] == first and table.words[place, 1] == second:
            return table.numbers[place]
        place = (place + 1) & last
    return 0


@inlined
def units_of(text: Any, start: int, end: int, places: Any, factor: Any) -> Any:
    """The decimal at text[start:end] in units of factor × 10^-places; 0: it is none, or no positive multiple."""
    value = np.int64(0)
    digits = 0
    fraction = -1
    for k in range(start, end):
        byte = text[k]
        if byte == DOT:
            if fraction >= 0 or digits == 0:
                return np.int64(0)
            fraction = 0
        elif byte >= ZERO and byte <= ZERO + 9:
            value = value * 10 + np.int64(byte - ZERO)
            digits += 1
            if fraction >= 0:
                fraction += 1
        else:
            return np.int64(0)
        if digits > MOST_DIGITS:
            return np.int64(0)
    if digits == 0 or fraction == 0 or places < 0:
        return np.int64(0)
    if fraction < 0:
        fraction = 0
    if fraction > places:
        scale = POWERS[fraction - places]
        if value % scale != 0:
            return np.int64(0)
        value //= scale
    else:
        if digits + places - fraction > MOST_DIGITS:
            return np.int64(0)
        value *= POWERS[places - fraction]
    if value % factor != 0:
        return np.int64(0)
    return value // factor


@inlined
def after_blanks(text: Any, at: int, end: int) -> int:
    while at < end and text[at] == SPACE:
        at += 1
    return at


@inlined
def end_of_text(text: Any, at: int, end: int) -> int:
    """Where the quoted text that starts at `at` (after its quote) ends; -1 where it is not plain."""
    while at < end:
        byte = text[at]
        if byte == QUOTE:
            return at
        if byte <= SPACE or byte > 126 or byte == BACKSLASH:
            return -1
        at += 1
    return -1


@inlined
def read_fields(tables: Tables, text: Any, start: int, end: int, places: Any) -> Any:
    """Fills places[key] with where each value starts and ends; a bit for each key, 0 where the text is not plain."""
    seen = 0
    at = after_blanks(text, start, end)
    if at >= end or text[at] != OPEN:
        return 0
    at = after_blanks(text, at + 1, end)
    while True:
        if at >= end or text[at] != QUOTE:
            return 0
        closing = end_of_text(text, at + 1, end)
        if closing < 0:
            return 0
        key = number_of(tables.keys, text, at + 1, closing) - 1
        if key < 0 or seen & (1 << key):
            return 0
        at = after_blanks(text, closing + 1, end)
        if at >= end or text[at] != COLON:
            return 0
        at = after_blanks(text, at + 1, end)
        if at >= end or text[at] != QUOTE:
            return 0
        closing = end_of_text(text, at + 1, end)
        if closing < 0:
            return 0
        seen |= 1 << key
        places[key, 0] = at + 1
        places[key, 1] = closing
        at = after_blanks(text, closing + 1, end)
        if at >= end:
            return 0
        if text[at] == CLOSE:
            if after_blanks(text, at + 1, end) != end:
                return 0
            return seen
        if text[at] != COMMA:
            return 0
        at = after_blanks(text, at + 1, end)


@inlined
def read_order_id(text: Any, start: int, end: int) -> Any:
    """The number, 0 where it is none, or has more digits than surely fit."""
    for k in range(start, end):
        if text[k] == DOT:
            return np.int64(0)
    return units_of(text, start, end, 0, 1)


@inlined
def read_numbers(tables: Tables, text: Any, seen: int, places: Any, instrument: Any, records: Any, i: int) -> bool:
    """Quantity and limit price of record i, where they are given. Whether they are right."""
    unit = tables.units
    if seen & (1 << QUANTITY):
        factor = unit["lot_factor"][instrument]
        lots = units_of(text, places[QUANTITY, 0], places[QUANTITY, 1], unit["lot_places"][instrument], factor)
        if lots <= 0 or lots > unit["max_quantity"][instrument]:
            return False
        records["quantity"][i] = lots
    if seen & (1 << PRICE):
        factor = unit["tick_factor"][instrument]
        ticks = units_of(text, places[PRICE, 0], places[PRICE, 1], unit["tick_places"][instrument], factor)
        if ticks <= 0 or ticks < unit["price_min"][instrument] or ticks > unit["price_max"][instrument]:
            return False
        records["limit_price"][i] = ticks
    return True


@inlined
def read_new(tables: Tables, text: Any, seen: int, places: Any, records: Any, i: int) -> bool:
    if seen & ~ALLOWED_NEW != 0 or seen & NEEDED_NEW != NEEDED_NEW:
        return False
    side = number_of(tables.sides, text, places[SIDE, 0], places[SIDE, 1])
    order_type = LIMIT
    if seen & (1 << ORDER_TYPE):
        order_type = number_of(tables.order_types, text, places[ORDER_TYPE, 0], places[ORDER_TYPE, 1])
    time_in_force = DAY
    if seen & (1 << TIME):
        time_in_force = number_of(tables.times, text, places[TIME, 0], places[TIME, 1])
    if side == 0 or order_type == 0 or time_in_force == 0:
        return False
    if (order_type == LIMIT) != (seen & (1 << PRICE) != 0):
        return False
    records["side"][i] = side
    records["order_type"][i] = order_type
    records["time_in_force"][i] = time_in_force
    return True


@inlined
def read_one(tables: Tables, text: Any, start: int, end: int, places: Any, records: Any, raw: Any, i: int) -> bool:
    """Record i, whether the text at [start, end) is plain."""
    seen = read_fields(tables, text, start, end, places)
    if seen & ((1 << TYPE) | (1 << ACCOUNT)) != ((1 << TYPE) | (1 << ACCOUNT)):
        return False
    kind = number_of(tables.types, text, places[TYPE, 0], places[TYPE, 1])
    account = number_of(tables.accounts, text, places[ACCOUNT, 0], places[ACCOUNT, 1])
    if kind == 0 or account == 0:
        return False
    instrument = np.int64(0)
    if seen & (1 << SYMBOL):
        instrument = number_of(tables.symbols, text, places[SYMBOL, 0], places[SYMBOL, 1])
        if instrument == 0:
            return False
    if kind == NEW:
        if not read_new(tables, text, seen, places, records, i):
            return False
    else:
        if seen & ((1 << ORDER_ID) | (1 << CLIENT_ID)) == 0:
            return False
        if kind == CANCEL:
            if seen & ~ALLOWED_CANCEL != 0:
                return False
        elif seen & ~ALLOWED_REPLACE != 0 or instrument == 0 or seen & ((1 << QUANTITY) | (1 << PRICE)) == 0:
            return False
        if seen & (1 << ORDER_ID):
            number = read_order_id(text, places[ORDER_ID, 0], places[ORDER_ID, 1])
            if number == 0:
                return False
            records["order_id"][i] = number
    if not read_numbers(tables, text, seen, places, instrument, records, i):
        return False
    if seen & (1 << CLIENT_ID):
        length = places[CLIENT_ID, 1] - places[CLIENT_ID, 0]
        if length == 0 or length > CLIENT_ORDER_ID_LENGTH:
            return False
        if seen & (1 << ORDER_ID) == 0:
            for k in range(length):
                raw[i, ID_OFFSET + k] = text[places[CLIENT_ID, 0] + k]
    records["type"][i] = kind
    records["account"][i] = account
    records["instrument"][i] = instrument
    records["source_partition"][i] = -1
    records["source_offset"][i] = -1
    return True


@entry
def read_all(tables: Tables, text: Any, ends: Any, places: Any, records: Any, raw: Any, plain: Any) -> None:
    """`text`: all texts, one after the other, each up to its `ends`; `raw`: the records' bytes, (n, itemsize). A record
    whose text is not plain is left half written: nobody may use it."""
    start = np.int64(0)
    for i in range(ends.shape[0]):
        plain[i] = read_one(tables, text, start, ends[i], places, records, raw, i)
        start = ends[i]


class BatchDecoder:
    """For one engine's names."""

    def __init__(self, instruments: Instruments, accounts: Accounts) -> None:
        self._instruments = instruments
        self._accounts = accounts
        self._known: tuple[object, ...] = ()
        self._tables = tables(instruments, accounts)
        self._places = np.zeros((len(KEYS), 2), np.int64)

    def _refresh(self) -> None:
        """Names are only ever added, and an instrument keeps its units."""
        known = (len(self._instruments), len(self._accounts))
        if known != self._known:
            self._tables = tables(self._instruments, self._accounts)
            self._known = known

    def decode(self, values: Sequence[bytes]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """(COMMAND records, which of them are good): one for each JSON text. A good one is what `decode` makes of it;
        the others must go through `parse` and `decode`."""
        self._refresh()
        records = np.zeros(len(values), COMMAND)
        plain = np.zeros(len(values), np.bool_)
        if values:
            ends = np.cumsum(np.fromiter(map(len, values), np.int64, len(values)))
            raw = records.view(np.uint8).reshape(len(values), COMMAND.itemsize)
            text = np.frombuffer(b"".join(values), np.uint8)
            with np.errstate(over="ignore"):  # hashes wrap around, which compiled code does without a word
                read_all(self._tables, text, ends, self._places, records, raw, plain)
        return records, plain
