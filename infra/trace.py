"""`hft trace`: an order's way, from what the topics and the logs say of it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import Consumer, TopicPartition

from engine import kafka
from engine.quiet import LIBRDKAFKA
from engine.topics import COMMANDS, DEAD_LETTERS, FILLS, ORDER_EVENTS, PNL, POSITIONS, Topic
from engine.traces import GIVEN, of_headers, trace_id, trace_of
from infra.errors import OperatorError
from infra.log_lines import as_text, parsed
from streams.consumer import log_bounds, place, read_to_end

TRACED: Final = (ORDER_EVENTS, FILLS, POSITIONS, PNL, DEAD_LETTERS)
"""Topics whose records carry the header."""
ANSWER_S: Final = 10.0
TEXT_LINE: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) ")


TIME_CHARACTERS: Final = len("2026-01-01 00:00:00,000 ")


class Step(NamedTuple):
    """Something that happened to the order."""

    ts_ns: int
    stage: int
    """Orders what has the same time: as things follow from each other."""
    where: str
    text: str


class _Event(msgspec.Struct):
    seq: int
    account: str
    order_id: str
    client_order_id: str


class _Body(msgspec.Struct):
    account: str | None = None
    client_order_id: str | None = None
    order_id: str | None = None


class _Command(msgspec.Struct):
    seq: int
    ts_ns: int
    command: _Body


_event: Final = msgspec.json.Decoder(_Event)
_command: Final = msgspec.json.Decoder(_Command, strict=False)


def starts(bootstrap: str, topics: Sequence[Topic], since_ms: int | None) -> dict[tuple[str, int], int | None]:
    """Where records of `since_ms` and later begin; None: all of them."""
    found: dict[tuple[str, int], int | None] = {
        partition: low for partition, (low, _) in log_bounds(bootstrap, [topic.name for topic in topics]).items()
    }
    if since_ms is None:
        return found
    consumer = Consumer({**kafka.configuration(bootstrap), "group.id": "hft-trace"}, logger=LIBRDKAFKA)
    try:
        wanted = [TopicPartition(topic, number, since_ms) for topic, number in found]
        for at in consumer.offsets_for_times(wanted, timeout=ANSWER_S):
            if at.offset >= 0:
                found[at.topic, at.partition] = at.offset
            else:
                del found[at.topic, at.partition]  # nothing since then
        return found
    finally:
        consumer.close()


def _records(bootstrap: str, topics: Sequence[Topic], since_ms: int | None) -> Iterator[Any]:
    for batch in read_to_end(bootstrap, starts(bootstrap, topics, since_ms), name="hft-trace"):
        yield from batch


def wanted_trace(bootstrap: str, name: str, account: str | None, since_ms: int | None) -> str:
    """The trace id that `name` stands for: itself, in a `traceparent`, or that of an order by its order_id or
    client_order_id. Raises `OperatorError` where there is no such order, or in several accounts."""
    if trace := trace_of(name):
        return trace
    if given := GIVEN.fullmatch(name):
        return given[1]
    if account is not None and not name.isdecimal():
        return trace_id(account, name)
    found: dict[str, str] = {}
    for message in _records(bootstrap, (ORDER_EVENTS,), since_ms):
        event = _event.decode(message.value() or b"")
        if name in (event.order_id, event.client_order_id) and account in (None, event.account):
            found[event.account] = trace_id(event.account, event.client_order_id)
    if not found:
        raise OperatorError(f"there is no order {name} in this time: --minutes N looks further back, 0 at everything")
    if len(found) > 1:
        raise OperatorError(f"{', '.join(sorted(found))} each have an order {name}: choose by --account")
    return found.popitem()[1]


def of_topics(bootstrap: str, trace: str, since_ms: int | None) -> list[Step]:
    """What was published of the order, and the commands that changed it."""
    header = f"-{trace}-".encode()
    steps: list[Step] = []
    names: set[tuple[str, str]] = set()
    seqs: set[int] = set()
    stages = {topic.name: stage for stage, topic in enumerate(TRACED, 1)}
    for message in _records(bootstrap, TRACED, since_ms):
        if header not in of_headers(message.headers()):
            continue
        topic, number, offset = place(message)
        value = message.value() or b""
        if topic == ORDER_EVENTS.name:
            event = _event.decode(value)
            seqs.add(event.seq)
            names |= {(event.account, event.order_id), (event.account, event.client_order_id)}
        ts_ns = message.timestamp()[1] * 1_000_000
        steps.append(Step(ts_ns, stages[topic], f"{topic}/{number}@{offset}", value.decode(errors="replace")))
    for message in _records(bootstrap, (COMMANDS,), since_ms) if seqs else ():
        value = message.value() or b""
        command = _command.decode(value)
        body = command.command
        if command.seq in seqs and {(body.account, body.order_id), (body.account, body.client_order_id)} & names:
            where = f"{COMMANDS.name}/0@{message.offset()}"
            steps.append(Step(command.ts_ns, 0, where, value.decode(errors="replace")))
    return steps


def of_logs(folder: Path, trace: str) -> list[Step]:
    """Lines of the logs that name the trace."""
    return [
        step
        for path in sorted(folder.glob("*.log*"))
        for line in path.read_text(errors="replace").splitlines()
        if trace in line and (step := _line(path.name, line, trace)) is not None
    ]


def _line(name: str, line: str, trace: str) -> Step | None:
    said = parsed(line)
    if said is not None:
        return Step(said.ts_ns, 0, name, as_text(line)[TIME_CHARACTERS:]) if said.trace == trace else None
    found = TEXT_LINE.match(line)
    if found is None or not line.endswith(f" trace={trace}"):
        return None
    when = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S").astimezone()
    return Step(int(when.timestamp()) * 1_000_000_000 + int(found[2]) * 1_000_000, 0, name, line[found.end() :])


def way(bootstrap: str, logs: Path, name: str, account: str | None, minutes: float) -> tuple[str, list[Step]]:
    """The trace id and everything that is known of it, in order of time. Raises `OperatorError`, `KafkaException`."""
    since_ms = int((time.time() - 60 * minutes) * 1000) if minutes else None
    trace = wanted_trace(bootstrap, name, account, since_ms)
    steps = sorted(of_topics(bootstrap, trace, since_ms) + of_logs(logs, trace))
    if not steps:
        raise OperatorError(
            f"nothing is known of trace {trace} in this time: --minutes N looks further back, 0 at everything"
        )
    return trace, steps


def shown(step: Step, width: int) -> str:
    when = datetime.fromtimestamp(step.ts_ns // 1_000_000_000, UTC).strftime("%H:%M:%S")
    return f"{when}.{step.ts_ns // 1_000 % 1_000_000:06d}  {step.where:{width}}  {step.text}"
