"""A day in memory and the same day again: what is compared, and that every kind of change is found and named."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaException

from engine import topics
from engine.messages import TopicVersion, as_json
from streams import day as days
from streams.day import Entry
from tests.day.memory import PARTITIONS, Day, MemoryLog
from tests.day.tampering import Broken, Change, Tampered, find, with_field

DAY = date(2026, 11, 27)
NOON_NS = int(datetime(2026, 11, 27, 12, tzinfo=UTC).timestamp()) * 1_000_000_000


@pytest.fixture(scope="module")
def log() -> MemoryLog:
    made = Day(NOON_NS, step_ns=60_000_000)  # so that the statistics' minute moves on
    made.trade(1_500)
    return made.log


def test_the_same_again(log: MemoryLog) -> None:
    result = days.verify(log, DAY)
    assert result.ok, result.report()
    for name, count in result.records.items():
        there = sum(high - low for low, high in log.bounds([name]).values())
        assert count == there > 0, f"{name}: every record was compared"
    assert result.commands == len(log.entries["commands", 0])
    assert result.engine_hashes > 3
    assert result.record_hashes > 20
    assert result.unhashed == 0
    assert "bit-identical" in result.report()


def test_positions_that_were_made_anew_are_compared_from_where_they_begin(log: MemoryLog) -> None:
    """Those before are in the hashes only."""
    made = deepcopy(log)
    before = {at: list(entries) for at, entries in log.entries.items() if at[0] in ("positions", "pnl")}
    ends = {name: [len(before[name, number]) for number in range(PARTITIONS)] for name in ("positions", "pnl")}
    for (name, _), entries in before.items():
        for entry in entries if name == "positions" else ():
            account = entry.key.decode().partition("|")[0]
            made.append(topics.POSITIONS, entry.key.decode(), entry.value, partition_key=account)
    assert not days.verify(made, DAY).ok, "twice in one version"
    version = TopicVersion(
        topic="positions", version=2, begins=ends["positions"], after={"pnl": ends["pnl"]}, stopping=False, ts_ns=1
    )
    made.append(topics.TOPIC_VERSIONS, "positions", as_json(version))
    assert days.verify(made, DAY).ok


@pytest.mark.parametrize(
    ("topic", "field", "value"),
    [
        ("order-events", "leaves_quantity", "77"),
        ("fills", "price", "1.23"),
        ("trades", "quantity", "77"),
        ("books", "phase", "closed"),
        ("positions", "realized_pnl", "12.34"),
        ("pnl", "equity", "12.34"),
        ("instruments", "tick_size", "0.03"),
        ("accounts", "deposits", "12.34"),
        ("candles", "volume", "12.34"),
        ("order-flow", "vwap", "12.34"),
        ("order-flow", "orders", 777_777),
    ],
)
def test_a_changed_record_is_named_with_both_values(log: MemoryLog, topic: str, field: str, value: Any) -> None:
    name, number, offset = find(log, topic, lambda record: True)
    result = days.verify(Tampered(log, {(name, number, offset): with_field(field, lambda _: value)}), DAY)
    # The hash of the candles is that of what is there: it differs too.
    assert result.differing == (2 if topic == "candles" else 1), result.report()
    difference = result.differences[-1]
    assert difference.place == f"{name}/{number} at {offset}"
    published, recomputed = difference.text.removeprefix("published ").split(" recomputed ")
    told = f'"{field}":{msgspec.json.encode(value).decode()}'
    assert told in published
    assert told not in recomputed


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("command.side", {"buy": "sell", "sell": "buy"}.__getitem__),
        ("command.limit_price", lambda price: "200.00"),
        ("command.client_order_id", lambda name: f"{name}x"),
        ("ts_ns", lambda ts_ns: ts_ns + 1),
        ("command.account", lambda account: "nobody"),
    ],
)
def test_another_command_makes_another_day(log: MemoryLog, field: str, change: Any) -> None:
    def plain(record: dict[str, Any]) -> bool:
        asked = record["command"]
        return record["type"] == "new" and asked["symbol"] == "AAPL" and asked["order_type"] == "limit"

    place = find(log, "commands", plain)
    result = days.verify(Tampered(log, {place: with_field(field, change)}), DAY)
    assert not result.ok
    assert result.differing > 1 or "command" in result.differences[0].place, result.report()


def test_an_actor_that_was_changed_shows_in_the_hash_alone(log: MemoryLog) -> None:
    place = find(log, "commands", lambda record: record["type"] == "new")
    result = days.verify(Tampered(log, {place: with_field("actor", lambda actor: "mallory")}), DAY)
    [difference] = result.differences
    assert difference.place.startswith("commands/0 at ")
    assert "the hash is" in difference.text


@pytest.mark.parametrize("kind", ["engine", "records"])
def test_a_changed_hash_is_named(log: MemoryLog, kind: str) -> None:
    place = find(log, "state-hashes", lambda record: record["kind"] == kind and record["topic"] == "commands")
    result = days.verify(Tampered(log, {place: with_field("hashes", lambda hashes: ["00" * 16])}), DAY)
    [difference] = result.differences
    assert difference.place.startswith("engine after command " if kind == "engine" else "commands/0 at ")


class Cut:
    """The log without one record, or with one twice."""

    def __init__(self, log: MemoryLog, place: tuple[str, int, int], copies: int) -> None:
        self._log = log
        self._place = place
        self._copies = copies

    def bounds(self, names: Any) -> Any:
        return {
            at: (low, high + self._copies - 1 if at == self._place[:2] else high)
            for at, (low, high) in self._log.bounds(names).items()
        }

    def batches(self, starts: Any) -> Any:
        for batch in self._log.batches(starts):
            made: list[Any] = []
            for at, entry in batch:
                copies = self._copies if (*at, entry.offset) == self._place else 1
                made += [(at, entry)] * copies
            if batch and batch[0][0] == self._place[:2]:
                made = [(at, Entry(offset, entry.key, entry.value)) for offset, (at, entry) in enumerate(made)]
            yield made


@pytest.mark.parametrize("copies", [0, 2])
@pytest.mark.parametrize("topic", ["commands", "order-events", "fills", "trades", "positions"])
def test_a_record_that_is_missing_or_there_twice(log: MemoryLog, topic: str, copies: int) -> None:
    place = find(log, topic, lambda record: True)
    result = days.verify(Cut(log, place, copies), DAY)
    assert not result.ok
    assert result.differences[0].place.startswith(f"{topic}/{place[1]} at "), result.report()


def test_only_the_commands_of_the_day_are_counted() -> None:
    """A log of two days: the second one stands on the first, the first one knows nothing of the second."""
    made = Day(int(datetime(2026, 11, 27, 23, 59, 59, 600_000, tzinfo=UTC).timestamp() * 10**3) * 10**6)
    made.trade(1_200)
    first, second = days.verify(made.log, DAY), days.verify(made.log, date(2026, 11, 28))
    assert first.ok, first.report()
    assert second.ok, second.report()
    assert first.commands > 0
    assert second.commands > 0
    assert first.commands + second.commands == len(made.log.entries["commands", 0])
    with pytest.raises(days.DayError, match="no command of 2026-11-26"):
        days.verify(made.log, date(2026, 11, 26))


def test_a_log_whose_beginning_is_gone(log: MemoryLog) -> None:
    class Later:
        def bounds(self, names: Any) -> Any:
            return {at: (7, high) for at, (_, high) in log.bounds(names).items()}

        def batches(self, starts: Any) -> Any:
            return log.batches(starts)

    with pytest.raises(days.DayError, match="begins at offset 7: what was before it has been deleted"):
        days.verify(Later(), DAY)


def test_what_kafka_says_to_the_process_of_the_agents_part(log: MemoryLog) -> None:
    with pytest.raises(KafkaException, match="no answer for positions"):
        days.verify(Broken(log, "positions"), DAY, apart=True)


def changed(log: MemoryLog, place: tuple[str, int, int], change: Change) -> days.DayResult:
    return days.verify(Tampered(log, {place: change}), DAY)


def test_a_mark_that_no_book_and_no_trade_had(log: MemoryLog) -> None:
    def marked(record: dict[str, Any]) -> bool:
        return any(mark["source"] == "mid" for mark in record["marks"].values())

    def another(marks: Any) -> Any:
        symbol = next(name for name, mark in marks.items() if mark["source"] == "mid")
        return marks | {symbol: marks[symbol] | {"seq": 3}}

    result = changed(log, find(log, "pnl", marked), with_field("marks", another))
    assert "the mark of" in result.differences[0].text
    assert "mid of 3, is that of no book or trade" in result.differences[0].text
