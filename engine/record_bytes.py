"""The records of the busy topics as bytes, straight from the core's rows: what `records.Reporter` and
`command_records.CommandReporter` make of them, encoded, and many times as fast.

A row is plain where its numbers are such as orders have (not negative, of an instrument that is listed, not beyond
`LARGEST`). The others, those of refused commands mostly, go the long way through the two, so that there is one place
that knows what to say of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.columns import Columns
from engine.command_records import LIST_MASK, CommandReporter
from engine.core import Core
from engine.json_writer import (
    AVERAGE,
    AVERAGE_PLACES,
    END,
    EVENT_ID,
    MATCH_ID,
    MONEY,
    NUMBER,
    NUMBER_TEXT,
    OBJECT,
    OR_NOTHING,
    OR_NULL,
    PERCENT,
    PRICE,
    QUANTITY,
    SCALE,
    TEXT,
    TRUTH,
    WORD,
    Field,
    Fragments,
    Plan,
    chunked,
    fragments,
    objects,
    plan,
)
from engine.layout import COMMAND, FIELDS, REPORT
from engine.messages import SCHEMA_VERSION, OrderEvent
from engine.records import EPOCH, RENAMING, SHARD, Reporter
from engine.texts import (
    COMMANDS,
    DURABILITIES,
    EXECS,
    LIQUIDITIES,
    LIST_TYPES,
    ORDER_TYPES,
    REASON_WORDS,
    SELF_TRADES,
    SIDES,
    SOURCES,
    STATUSES,
    TEXTS,
    TIMES,
)
from engine.units import steps
from engine.words import LIST_SHIFT, CommandType, ExecType, Flag, Liquidity

LARGEST_FACTOR: Final = 1000
"""Ticks and lots of at most so many of their last decimal place: their products stay within 64 bits."""
HEAD: Final = f'{{"v":{SCHEMA_VERSION}'
TAIL: Final = "}"
BYTES: Final = 256
"""A byte's values: every group of words has a text for each."""
NEW: Final = int(CommandType.NEW)
TRADE: Final = int(ExecType.TRADE)
PRINT: Final = int(ExecType.PRINT)
TAKER: Final = int(Liquidity.TAKER)
RENAMED: Final = np.array([EXECS.get(kind) in RENAMING for kind in range(BYTES)])

encode: Final = msgspec.json.Encoder().encode


def _words(words: Mapping[int, Any], missing: object = None) -> list[object]:
    return [words.get(number, missing) for number in range(BYTES)]


WORDS: Final[dict[str, Sequence[object]]] = {
    "sides": _words(SIDES),
    "sides_named": _words({number: word or "" for number, word in SIDES.items()}, ""),
    "order_types": _words(ORDER_TYPES),
    "times": _words(TIMES),
    "liquidities": _words(LIQUIDITIES),
    "liquidities_named": _words({number: word or "" for number, word in LIQUIDITIES.items()}, ""),
    "self_trades": _words(SELF_TRADES),
    "list_types": _words(LIST_TYPES),
    "durabilities": _words(DURABILITIES),
    "commands": _words(COMMANDS),
    "execs": _words(EXECS),
    "statuses": _words(STATUSES),
    "sources": _words(SOURCES, ""),
    "reasons": _words(REASON_WORDS),
    "texts": _words(TEXTS),
    "fields": [name or None for name in FIELDS],
}

EVENT_COLUMNS: Final = (
    "seq", "index", "ts_ns", "transact_ns", "exec_type", "order_status", "reason", "field", "order_id",
    "renamed", "list_id", "account", "instrument", "side", "order_type", "time_in_force", "expires_ns", "quantity",
    "display_quantity", "limit_price", "stop_price", "trail_amount", "trail_percent", "post_only", "reduce_only",
    "self_trade_prevention", "filled", "leaves", "notional", "last_quantity", "last_price", "liquidity", "fee",
    "strategy", "source", "match", "hidden", "action_seq",
)  # fmt: skip
STAMPS: Final = (
    Field("seq", NUMBER, "seq"),
    Field("index", NUMBER, "index"),
    Field("ts_ns", NUMBER, "ts_ns"),
    Field("transact_ns", NUMBER, "transact_ns"),
)
EVENT: Final = (
    *STAMPS,
    Field("exec_id", EVENT_ID, "seq", "index"),
    Field("exec_type", WORD, "exec_type", words="execs"),
    Field("order_status", WORD, "order_status", words="statuses"),
    Field("reason", WORD, "reason", words="reasons"),
    Field("field", WORD, "field", given="reason", absent=OR_NULL, words="fields"),
    Field("text", WORD, "reason", words="texts"),
    Field("order_id", NUMBER_TEXT, "order_id"),
    Field("client_order_id", TEXT, "client_order_id"),
    Field("orig_client_order_id", TEXT, "client_order_id", given="renamed", absent=OR_NULL),
    Field("list_id", NUMBER_TEXT, "list_id", given="list_id", absent=OR_NULL),
    Field("account", WORD, "account", words="accounts"),
    Field("symbol", WORD, "instrument", words="symbols"),
    Field("side", WORD, "side", words="sides"),
    Field("order_type", WORD, "order_type", words="order_types"),
    Field("time_in_force", WORD, "time_in_force", words="times"),
    Field("expires_ns", NUMBER, "expires_ns", given="expires_ns", absent=OR_NULL),
    Field("quantity", QUANTITY, "quantity"),
    Field("display_quantity", QUANTITY, "display_quantity", given="display_quantity", absent=OR_NULL),
    Field("limit_price", PRICE, "limit_price", given="limit_price", absent=OR_NULL),
    Field("stop_price", PRICE, "stop_price", given="stop_price", absent=OR_NULL),
    Field("trail_amount", PRICE, "trail_amount", given="trail_amount", absent=OR_NULL),
    Field("trail_percent", PERCENT, "trail_percent", given="trail_percent", absent=OR_NULL),
    Field("post_only", TRUTH, "post_only"),
    Field("reduce_only", TRUTH, "reduce_only"),
    Field("self_trade_prevention", WORD, "self_trade_prevention", words="self_trades"),
    Field("filled_quantity", QUANTITY, "filled"),
    Field("leaves_quantity", QUANTITY, "leaves"),
    Field("average_price", AVERAGE, "notional", "filled", given="filled", absent=OR_NULL),
    Field("last_quantity", QUANTITY, "last_quantity", given="last_quantity", absent=OR_NULL),
    Field("last_price", PRICE, "last_price", given="last_price", absent=OR_NULL),
    Field("liquidity", WORD, "liquidity", words="liquidities"),
    Field("fee", MONEY, "fee", given="last_quantity", absent=OR_NULL),
    Field("strategy", TEXT, "strategy", given="strategy", absent=OR_NULL),
    Field("source", WORD, "source", words="sources"),
)
FILL: Final = (
    Field("fill_id", EVENT_ID, "seq", "index"),
    Field("trade_id", MATCH_ID, "seq", "match"),
    *STAMPS,
    Field("account", WORD, "account", words="accounts"),
    Field("symbol", WORD, "instrument", words="symbols"),
    Field("side", WORD, "side", words="sides_named"),
    Field("quantity", QUANTITY, "last_quantity"),
    Field("price", PRICE, "last_price"),
    Field("fee", MONEY, "fee"),
    Field("liquidity", WORD, "liquidity", words="liquidities_named"),
    Field("order_id", NUMBER_TEXT, "order_id"),
    Field("client_order_id", TEXT, "client_order_id"),
    Field("strategy", TEXT, "strategy", given="strategy", absent=OR_NULL),
    Field("action_seq", NUMBER, "action_seq"),
)
TAPE: Final = (
    Field("trade_id", MATCH_ID, "seq", "match"),
    *STAMPS,
    Field("symbol", WORD, "instrument", words="symbols"),
    Field("price", PRICE, "last_price"),
    Field("quantity", QUANTITY, "last_quantity"),
    Field("aggressor_side", WORD, "side", words="sides"),
    Field("hidden", TRUTH, "hidden"),
    Field("action_seq", NUMBER, "action_seq"),
)

COMMAND_COLUMNS: Final = (
    "seq", "ts_ns", "source", "type", "account", "instrument", "side", "order_type", "time_in_force", "quantity",
    "display_quantity", "limit_price", "stop_price", "trail_amount", "trail_percent", "expires_ns", "post_only",
    "reduce_only", "self_trade_prevention", "list_type", "disconnected", "order_id", "client_order_id", "strategy",
    "durability", "transact_ns", "from_kafka", "source_partition", "source_offset",
)  # fmt: skip


def _given(name: str, kind: int, words: str = "", column: str = "") -> Field:
    """A field of a command that stands there only where it says something."""
    return Field(name, kind, column or name, given=column or name, absent=OR_NOTHING, words=words)


SEQUENCED: Final = (
    Field("seq", NUMBER, "seq"),
    Field("ts_ns", NUMBER, "ts_ns"),
    Field("source", WORD, "source", words="sources"),
    Field("actor", TEXT, "actor"),
    Field("type", WORD, "type", words="commands"),
    Field("command", OBJECT),
    _given("account", WORD, "accounts"),
    _given("symbol", WORD, "symbols", "instrument"),
    _given("side", WORD, "sides"),
    _given("order_type", WORD, "order_types"),
    _given("time_in_force", WORD, "times"),
    _given("quantity", QUANTITY),
    _given("display_quantity", QUANTITY),
    _given("limit_price", PRICE),
    _given("stop_price", PRICE),
    _given("trail_amount", PRICE),
    _given("trail_percent", PERCENT),
    _given("expires_ns", NUMBER),
    _given("post_only", TRUTH),
    _given("reduce_only", TRUTH),
    _given("self_trade_prevention", WORD, "self_trades"),
    _given("list_type", WORD, "list_types"),
    _given("disconnected", TRUTH),
    _given("order_id", NUMBER_TEXT),
    _given("client_order_id", TEXT),
    _given("strategy", TEXT),
    _given("durability", WORD, "durabilities"),
    _given("transact_ns", NUMBER),
    Field("", END),
    Field("source_partition", NUMBER, "source_partition", given="from_kafka", absent=OR_NULL),
    Field("source_offset", NUMBER, "source_offset", given="from_kafka", absent=OR_NULL),
)

SIZES: Final = ("quantity", "display_quantity", "limit_price", "stop_price", "trail_amount")
EVENT_SIZES: Final = (*SIZES, "filled", "leaves", "last_quantity", "last_price")
REPORTED: Final = Columns(REPORT, EVENT_COLUMNS, EVENT_SIZES, signed="fee")
ASKED: Final = Columns(COMMAND, COMMAND_COLUMNS, SIZES)


class RecordBytes:
    """For one core's names; ids carry `shard` and `epoch`."""

    def __init__(self, core: Core, *, shard: int = SHARD, epoch: int = EPOCH) -> None:
        self._core = core
        self._reporter = Reporter(core, shard=shard, epoch=epoch)
        self._command_reporter = CommandReporter(core, epoch=epoch)
        self._command_tail = f',"epoch":{epoch},"record":null}}'
        self._prefix = chunked(f"{shard}.{epoch}.".encode())
        self._known: tuple[int, int] | None = None

    # ----------------------------------------------------------------------------------------------- what is known

    def _refresh(self) -> None:
        """Names are only ever added, and an instrument keeps its units."""
        known = (len(self._core.instruments), len(self._core.accounts))
        if known == self._known:
            return
        self._known = known
        instruments = {entry.number: entry for entry in self._core.instruments}
        accounts = {entry.number: entry.account for entry in self._core.accounts}
        self._scales = np.zeros(len(instruments) + 1, SCALE)
        self._scales["tick_factor"] = self._scales["lot_factor"] = 1
        self._exact = np.zeros(len(instruments) + 1, np.bool_)
        self._exact[0] = True  # of a command that names none
        for number, entry in instruments.items():
            scale, row = entry.scale, self._scales[number]
            row["tick_places"], row["lot_places"] = scale.tick_places, scale.lot_places
            if max(scale.tick_places, scale.lot_places) <= AVERAGE_PLACES:
                row["tick_factor"] = steps(scale.tick, Decimal(1).scaleb(-scale.tick_places))
                row["lot_factor"] = steps(scale.lot, Decimal(1).scaleb(-scale.lot_places))
                self._exact[number] = max(row["tick_factor"], row["lot_factor"]) <= LARGEST_FACTOR
        self._listed = self._exact.copy()
        self._listed[0] = False
        symbols = [instruments[n].definition.symbol if n in instruments else "" for n in range(len(instruments) + 1)]
        self._accounts = max(accounts, default=0)
        pieces = fragments(
            {**WORDS, "accounts": [accounts.get(n, "") for n in range(self._accounts + 1)], "symbols": symbols}
        )
        self._pieces = pieces
        self._event = _plan(EVENT, EVENT_COLUMNS, pieces, REPORT)
        self._fill = _plan(FILL, EVENT_COLUMNS, pieces, REPORT)
        self._trade = _plan(TAPE, EVENT_COLUMNS, pieces, REPORT)
        self._command = _plan(SEQUENCED, COMMAND_COLUMNS, pieces, COMMAND, self._command_tail)

    def _write(self, plan: Plan, columns: Columns, numbers: NDArray[np.int64], rows: NDArray[Any]) -> list[bytes]:
        if not len(rows):
            return []
        raw = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), rows.dtype.itemsize)
        instruments = numbers[columns.place["instrument"]]
        return objects(plan, np.ascontiguousarray(numbers), raw, self._scales, instruments, self._pieces, self._prefix)

    # --------------------------------------------------------------------------------------------------- commands

    def commands(self, commands: NDArray[Any]) -> list[bytes]:
        """A record of `commands` for each COMMAND row."""
        self._refresh()
        numbers = _command_numbers(commands)
        plain, count = ASKED.plain(numbers, self._exact, self._accounts)
        unsaid = self._command_reporter.unsaid(commands)
        if count == len(commands) and not unsaid.any():
            return self._write(self._command, ASKED, numbers, commands)
        plain &= ~unsaid
        fast = self._write(self._command, ASKED, numbers[:, plain], commands[plain])
        return merge(plain, fast, map(encode, self._command_reporter.records(commands[~plain])))

    # ---------------------------------------------------------------------------------------------------- reports

    def _action_seqs(self, instruments: NDArray[Any]) -> NDArray[np.int64]:
        """Of the last corporate action of each row's instrument, 0 where there was none."""
        known = np.array([0, *(entry.action_seq for entry in self._core.instruments)], np.int64)
        return known[np.where(instruments < len(known), instruments, 0)]

    def reports(self, reports: NDArray[Any]) -> ReportBytes:
        """The records of `order-events`, `fills` and `trades` that come of REPORT rows."""
        self._refresh()
        numbers = _event_numbers(reports, self._action_seqs(reports["instrument"]))
        kinds = numbers[REPORTED.place["exec_type"]]
        traded = kinds == TRADE
        taken = traded & (numbers[REPORTED.place["liquidity"]] == TAKER)
        plain, count = REPORTED.plain(numbers, self._listed, self._accounts)
        all_plain = count == len(reports)
        long_way = reports[:0] if all_plain else reports[~plain]
        events = [] if all_plain else self._reporter.order_events(long_way)
        matches = long_way["match"].tolist()

        def records(wanted: NDArray[Any], plan: Plan, slow: Callable[[OrderEvent, int], Any]) -> list[bytes]:
            fast = wanted if all_plain else wanted & plain
            if fast.all():
                return self._write(plan, REPORTED, numbers, reports)
            made = self._write(plan, REPORTED, numbers[:, fast], reports[fast])
            if all_plain:
                return made
            asked = wanted[~plain].tolist()
            others = (
                encode(slow(event, match)) for event, match, ask in zip(events, matches, asked, strict=True) if ask
            )
            return merge(plain[wanted], made, others)

        return ReportBytes(
            records(kinds != PRINT, self._event, lambda event, _: event),
            records(traded, self._fill, self._reporter.fill),
            records((kinds == PRINT) | taken, self._trade, self._reporter.trade),
        )


class ReportBytes(NamedTuple):
    """In the order of their rows."""

    events: list[bytes]
    """Of all rows but prints."""
    fills: list[bytes]
    """Of those that trade."""
    trades: list[bytes]
    """Of those that trade as takers, and of prints."""


def merge(plain: NDArray[np.bool_], fast: list[bytes], others: Iterable[bytes]) -> list[bytes]:
    """Each row's, from the first list where it is plain, else from the second."""
    if plain.all():
        return fast
    quick, long = iter(fast), iter(others)
    return [next(quick) if one else next(long) for one in plain.tolist()]


def _plan(
    fields: tuple[Field, ...], columns: tuple[str, ...], pieces: Fragments, record: np.dtype[Any], tail: str = TAIL
) -> Plan:
    assert record.fields is not None
    return plan(HEAD, fields, tail, columns, pieces, dict(record.fields))


def _trails(columns: Columns, rows: NDArray[Any], numbers: NDArray[np.int64]) -> None:
    flags, trail, place = rows["flags"], rows["trail"], columns.place
    percents = (flags & int(Flag.TRAIL_PERCENT)) != 0
    numbers[place["trail_amount"]] = np.where(percents, 0, trail)
    numbers[place["trail_percent"]] = np.where(percents, trail, 0)
    numbers[place["post_only"]] = (flags & int(Flag.POST_ONLY)) != 0
    numbers[place["reduce_only"]] = (flags & int(Flag.REDUCE_ONLY)) != 0
    numbers[place["strategy"]] = rows["strategy"] != b""


def _event_numbers(reports: NDArray[Any], action_seqs: NDArray[np.int64]) -> NDArray[np.int64]:
    numbers, place = REPORTED.read(reports), REPORTED.place
    kinds, transact_ns = numbers[place["exec_type"]], numbers[place["transact_ns"]]
    np.copyto(transact_ns, numbers[place["ts_ns"]], where=transact_ns == 0)
    numbers[place["renamed"]] = RENAMED[kinds]
    numbers[place["hidden"]] = kinds == PRINT
    numbers[place["action_seq"]] = action_seqs
    _trails(REPORTED, reports, numbers)
    return numbers


def _command_numbers(commands: NDArray[Any]) -> NDArray[np.int64]:
    numbers, place = ASKED.read(commands), ASKED.place
    from_kafka = numbers[place["source_partition"]] >= 0
    for name in ("source_partition", "source_offset"):
        numbers[place[name]] *= from_kafka
    listed = commands["flags"] >> LIST_SHIFT & LIST_MASK
    numbers[place["list_type"]] = np.where(numbers[place["type"]] == NEW, listed, 0)
    numbers[place["disconnected"]] = (commands["flags"] & int(Flag.DISCONNECTED)) != 0
    numbers[place["client_order_id"]] = commands["client_order_id"] != b""
    numbers[place["from_kafka"]] = from_kafka
    _trails(ASKED, commands, numbers)
    return numbers
