"""What a run left behind: the topics, the engine's own answers, and two replays of the journal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import KafkaException

from engine.answers import StateHash
from engine.client import Client
from engine.core import Core
from engine.journal_reader import Reader, runs
from engine.messages import Fill, OrderEvent, OrderState, Refused, SequencedCommand, as_json
from engine.segments import Frame
from engine.sequencer import apply_frame
from engine.topics import COMMANDS, FILLS, ORDER_EVENTS, ORDERS, Topic
from engine.words import ExecType
from streams.consumer import log_bounds, read_to_end
from tests.faults.load import Acknowledged, Taken
from tests.system import System

ASKED_AT_ONCE: Final = 500
"""`status` requests in one message."""
CATCH_UP: Final = (COMMANDS, ORDER_EVENTS, FILLS)


class Place(NamedTuple):
    """Of an event: the command that it follows from, and its number among those of that command."""

    seq: int
    number: int


class Replay(NamedTuple):
    """What the journal comes to when it is applied to an empty core."""

    state_hash: str
    events: list[Place]
    """Of all execution reports, in order."""
    fills: list[Place]


@dataclass(frozen=True)
class Evidence:
    """Everything up to command `live.last_seq`, when nothing was sent any more."""

    acknowledged: Sequence[Acknowledged]
    delivered: dict[tuple[int, int], str]
    orders: set[tuple[int, int]]
    """(partition, offset) of every record of the topic `orders`."""
    commands: Sequence[SequencedCommand]
    events: Sequence[OrderEvent]
    fills: Sequence[Fill]
    states: dict[tuple[str, str], OrderState | None]
    """The engine's `status` of every order that was sent, by (account, client_order_id); None: it knows none."""
    live: StateHash
    replays: Sequence[Replay]


def replay(journal: Path, max_orders: int, until: int, *, joined: bool) -> Replay:
    """Applies the journal up to command `until`, frame by frame or with neighbouring frames joined."""
    core = Core(max_orders=max_orders)
    reader = Reader(journal, max_orders=max_orders)
    events: list[Place] = []
    fills: list[Place] = []
    frames = runs(reader.frames()) if joined else reader.frames()
    for frame in _until(frames, until):
        reports = apply_frame(core, frame).reports
        if frame.entry is not None and isinstance(frame.entry.command, Refused):
            events.append(Place(frame.first_seq, 0))
        for seq, index, kind in reports[["seq", "index", "exec_type"]].tolist():
            if kind != ExecType.PRINT:
                events.append(Place(seq, index))
            if kind == ExecType.TRADE:
                fills.append(Place(seq, index))
    reader.close()
    return Replay(core.state_hash(), events, fills)


def _until(frames: Iterator[Frame], until: int) -> Iterator[Frame]:
    for frame in frames:
        if frame.first_seq > until:
            return
        if frame.records is not None and frame.last_seq > until:
            size = until - frame.first_seq + 1
            frame = frame._replace(size=size, records=frame.records[:size])
        # Of one's own: for read-only memory the matcher would be compiled a second time, for a minute or several.
        yield frame if frame.records is None else frame._replace(records=frame.records.copy())


def records_of(bootstrap: str, topic: Topic) -> list[tuple[tuple[int, int], Any]]:
    """((partition, offset), value) of every record, as the topic's message where it is one of ours."""
    decoder = msgspec.json.Decoder(Any if topic is ORDERS else topic.record)
    found = []
    for batch in read_to_end(bootstrap, dict.fromkeys(log_bounds(bootstrap, [topic.name]))):
        for message in batch:
            value = None if topic is ORDERS else decoder.decode(message.value() or b"")
            found.append(((message.partition() or 0, message.offset() or 0), value))
    return found


def _wait_sequenced(journal: Path, orders: set[tuple[int, int]], patience_s: float) -> None:
    """Until the journal holds the last record of each partition of `orders`, or gains nothing for `patience_s`."""
    ends: dict[int, int] = {}
    for partition, offset in orders:
        ends[partition] = max(ends.get(partition, 0), offset + 1)
    read: dict[int, int] = {}
    reader = Reader(journal)
    deadline = time.monotonic() + patience_s
    while any(read.get(partition, 0) < end for partition, end in ends.items()) and time.monotonic() < deadline:
        for frame in reader.frames():
            deadline = time.monotonic() + patience_s
            for partition, offset in _sources(frame):
                read[partition] = max(read.get(partition, 0), offset + 1)
        time.sleep(0.05)
    reader.close()


def _sources(frame: Frame) -> list[tuple[int, int]]:
    """(partition, offset) of the frame's commands that came from Kafka."""
    if frame.records is None:
        assert frame.entry is not None
        return [(frame.entry.source_partition, frame.entry.source_offset)] if frame.entry.source_partition >= 0 else []
    places = frame.records[["source_partition", "source_offset"]].tolist()
    return [(partition, offset) for partition, offset in places if partition >= 0]


def _wait_published(bootstrap: str, wanted: dict[str, int], patience_s: float) -> None:
    """Until the publisher has caught up, or has published nothing for `patience_s`: then the invariants tell."""
    counts: dict[str, int] = {}
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            now = dict.fromkeys(wanted, 0)
            for (topic, _), (low, high) in log_bounds(bootstrap, list(wanted)).items():
                now[topic] += high - low
        except KafkaException:
            now = counts
        if all(now.get(topic, 0) >= count for topic, count in wanted.items()):
            return
        if now != counts:
            counts, deadline = now, time.monotonic() + patience_s
        time.sleep(0.1)


def _states(client: Client, orders: Sequence[tuple[str, str]]) -> dict[tuple[str, str], OrderState | None]:
    found: dict[tuple[str, str], OrderState | None] = {}
    for start in range(0, len(orders), ASKED_AT_ONCE):
        asked = orders[start : start + ASKED_AT_ONCE]
        client.send(as_json([{"type": "status", "account": a, "client_order_id": c} for a, c in asked]))
        answers = msgspec.json.decode(client.receive()[1])
        for order, answer in zip(asked, answers, strict=True):
            refused = answer.get("outcome") is not None
            found[order] = None if refused else msgspec.convert(answer, OrderState)
    return found


def collect(system: System, taken: Taken, *, patience_s: float) -> Evidence:
    """Looks at everything, once the publisher has caught up. All senders have ended."""
    bootstrap, settings, journal = system.settings.bootstrap, system.settings, system.folders.journal
    orders = {place for place, _ in records_of(bootstrap, ORDERS)}
    _wait_sequenced(journal, orders, patience_s)
    with Client(settings.zeromq, system.token(role="service"), timeout_s=30) as client:
        live = client.state_hash()
        replays = [replay(journal, settings.max_orders, live.last_seq, joined=joined) for joined in (False, True)]
        _wait_published(
            bootstrap,
            {
                COMMANDS.name: live.last_seq,
                ORDER_EVENTS.name: len(replays[0].events),
                FILLS.name: len(replays[0].fills),
            },
            patience_s,
        )
        commands = [command for _, command in records_of(bootstrap, COMMANDS)]
        entered = [c.command for c in commands if c.type == "new"]
        sent = {(fields["account"], fields["client_order_id"]) for fields in entered}
        sent |= {(item.account, item.client_order_id) for item in taken.acknowledged if item.kind == "new"}
        states = _states(client, sorted(sent))
    return Evidence(
        acknowledged=list(taken.acknowledged),
        delivered=dict(taken.delivered),
        orders=orders,
        commands=[command for command in commands if command.seq <= live.last_seq],
        events=[event for _, event in records_of(bootstrap, ORDER_EVENTS) if event.seq <= live.last_seq],
        fills=[fill for _, fill in records_of(bootstrap, FILLS) if fill.seq <= live.last_seq],
        states=states,
        live=live,
        replays=replays,
    )
