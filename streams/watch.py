"""The continuous audit as a pure fold: what the topics have gained, held against what the stores and the engine say.

What a store has not read yet is in flight, and so is a position of which less has been published than the engine has
traded: its agent is behind, as while workers are restarted. What differs otherwise must do so twice, an interval apart,
before it counts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final, NamedTuple

import msgspec

from engine import messages, topics
from engine.answers import Positions
from streams import engine_positions, orders
from streams.consumer import Cursor, Partition
from streams.sinks.tables import report_id
from streams.stores import FIELDS, UNREADABLE, Values, comparable, values

log = logging.getLogger(__name__)

SHOWN: Final = 10
BEHIND_ROUNDS: Final = 30
"""Comparisons, each with something read since the one before, after which a position that is behind counts: no fill
waits that long, unless somebody has lost it."""
MOST_KEPT: Final = 500_000
"""Changes that wait while a store is away."""
FOLLOWED: Final = (topics.ORDER_EVENTS, topics.FILLS, topics.POSITIONS, topics.PNL, topics.STATE_HASHES)

Thing = tuple[str, str]
"""Kind and key."""


class Watched(msgspec.Struct, kw_only=True, frozen=True):
    """How the stores stand to the topics. `drift`: the largest violation of what the engine's books of money must keep
    to, null before it was told of; always 0."""

    differences: int
    compared: int
    """Things looked up since the start."""
    in_flight: int
    drift: int | None
    shown: list[str]
    """The first of the differences."""
    ts_ns: int


class Change(NamedTuple):
    """The latest of a thing in the topics, and where it stands there."""

    values: Values
    at: tuple[int, int]
    partition: Partition
    offset: int


class Looked(NamedTuple):
    """What a store has of the things that were looked up: `cursor` as it was before that."""

    name: str
    cursor: Cursor
    found: dict[Thing, Values]


class Watch:
    """What changed and was not found the same everywhere yet. Pure: no clock, no server."""

    def __init__(self) -> None:
        self.changed: dict[Thing, Change] = {}
        self._positions: dict[str, messages.Position] = {}
        self._engine: Positions | None = None
        self._as_of: dict[str, messages.Position] = {}
        """Positions as they stood after the command that the engine's answer stands for."""
        self.drift: int | None = None
        self.compared = 0
        self.in_flight = 0
        self._read = False
        """Whether anything was, since the last comparison."""
        self._behind: dict[str, int] = {}
        """Position → in how many comparisons in a row the engine had traded more than is published."""
        self._suspected: dict[str, str] = {}
        self.differences: dict[str, str] = {}
        """What differs in which store → how."""
        self._decoders = {topic.name: msgspec.json.Decoder(topic.record) for topic in FOLLOWED}

    def take(self, partition: Partition, offset: int, value: bytes) -> None:
        """The next record of a partition; one that cannot be read is among the dead letters."""
        self._read = True
        try:
            record: Any = self._decoders[partition[0]].decode(value)
        except msgspec.DecodeError:
            return
        match record:
            case messages.StateHash():
                self.drift = record.drift if record.kind == "engine" else self.drift
            case messages.OrderEvent() if orders.is_of_order(record):
                stands = (record.order_status, record.filled_quantity, record.leaves_quantity, record.average_price)
                self._note("order", record.order_id, (*stands, record.seq, record.index), record, partition, offset)
            case messages.Fill():
                what = (record.account, record.symbol, record.quantity, record.price, record.fee)
                self._note("execution", str(report_id(record.fill_id)), what, record, partition, offset)
            case messages.Position():
                key = f"{record.account} {record.symbol}"
                self._positions[key] = record
                if self._engine is not None and record.last_seq <= self._engine.last_seq:
                    self._as_of[key] = record
                self._note("position", key, values("position", record), record, partition, offset)
            case messages.Pnl():
                self._note("P&L", record.account, values("P&L", record), record, partition, offset)

    def _note(self, kind: str, key: str, found: Values, record: Any, partition: Partition, offset: int) -> None:
        if len(self.changed) >= MOST_KEPT:
            log.warning("%d changes wait for a store: they are given up, hft audit compares them", len(self.changed))
            self.changed.clear()
        at = (getattr(record, "seq", 0) or record.last_seq, getattr(record, "index", 0))
        self.changed[kind, key] = Change(comparable(kind, found), at, partition, offset)

    def expect(self, engine: Positions) -> None:
        """The engine's own positions, with which those published are compared once they had time to come."""
        self._engine, self._as_of = engine, dict(self._positions)

    def compare(self, stores: list[Looked], asked: list[Thing]) -> None:
        """Holds what was looked up against the topics."""
        found: dict[str, str] = {}
        self.in_flight = 0
        for thing in asked:
            change = self.changed[thing]
            settled = True
            for store in stores:
                if thing[0] == "execution" and store.name == "Redis":
                    continue
                if change.offset >= store.cursor.get(change.partition, 0):
                    settled = False
                    continue
                have = store.found.get(thing)
                if have is None:
                    found[f"{store.name} {thing}"] = f"{store.name}: {thing[0]} {thing[1]} is not there"
                elif have != change.values and not _is_later(thing[0], have, change):
                    text = f"{store.name}: {thing[0]} {thing[1]} is {have}, the topics say {change.values}"
                    found[f"{store.name} {thing}"] = text
                else:
                    continue
                settled = False
            if settled:
                self.compared += 1
                del self.changed[thing]
            else:
                self.in_flight += 1
        if self._engine is not None:
            found |= self._engine_differences(self._engine)
            self._engine = None
        self.differences = {name: text for name, text in found.items() if name in self._suspected}
        self._suspected = found
        self._read = False

    def _engine_differences(self, engine: Positions) -> dict[str, str]:
        """The engine's own positions against those published since the start."""
        found = {}
        for held in engine.positions:
            own = engine_positions.numbers(held)
            record = self._as_of.get(f"{held.account} {held.symbol}")
            if record is None or record.last_seq > engine.last_seq:
                continue
            published = {name: Fraction(getattr(record, name)) for name in own if name != "cash"}
            published["cash"] = Fraction(record.realized_pnl) - Fraction(record.cost)
            name = f"position {held.account} {held.symbol}"
            if self._is_behind(name, _traded(published) < _traded(own), engine.last_seq, record):
                self.in_flight += 1
            elif own != published:
                found[f"engine {name}"] = f"engine: {name} is not the published one of command {record.last_seq}"
        return found

    def _is_behind(self, name: str, less: bool, engine_seq: int, record: messages.Position) -> bool:
        """Whether later fills of a position are still to be published. They are not where one of a later command than
        the engine's answer is there already."""
        newest = self._positions[f"{record.account} {record.symbol}"]
        if not less or newest.last_seq > engine_seq:
            self._behind.pop(name, None)
            return False
        rounds = self._behind[name] = self._behind.get(name, 0) + self._read
        return rounds <= BEHIND_ROUNDS

    def outcome(self, ts_ns: int) -> Watched:
        shown = list(self.differences.values())[:SHOWN]
        count = len(self.differences) + (1 if self.drift else 0)
        return Watched(
            differences=count,
            compared=self.compared,
            in_flight=self.in_flight,
            drift=self.drift,
            shown=shown,
            ts_ns=ts_ns,
        )


def _traded(position: Mapping[str, Fraction]) -> Fraction:
    return position["bought_quantity"] + position["sold_quantity"]


def _is_later(kind: str, have: Values, change: Change) -> bool:
    """Whether the store holds a later state than was read here."""
    if kind == "execution" or UNREADABLE in have:
        return False
    names = FIELDS[kind]
    seq = have[names.index("last_seq")]
    index = have[names.index("last_index")] if "last_index" in names else 0
    return bool((seq, index) > change.at)
