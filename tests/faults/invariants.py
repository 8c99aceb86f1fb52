"""What must hold after any kill. Each function gives a sentence for every place where its invariant, named as the
function is, does not hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from engine.messages import OrderEvent, SequencedCommand
from tests.faults.evidence import Evidence, Place

SHOWN: Final = 5
"""Violations of one invariant that are told in full."""


class Violation(NamedTuple):
    invariant: str
    text: str


def no_acknowledged_order_lost(evidence: Evidence) -> Iterator[str]:
    """A command whose reply came is in `commands` under the seq of the reply, and a new order in `order-events`."""
    commands = {command.seq: command for command in evidence.commands}
    events = _by_order(evidence.events)
    for item in evidence.acknowledged:
        name = f"{item.kind} {item.client_order_id} of {item.account}, answered {item.outcome} as command {item.seq}"
        command = commands.get(item.seq)
        if command is None:
            yield f"{name}: there is no such command"
        elif _named(command) != (item.account, item.client_order_id):
            yield f"{name}: that command is {_named(command)}"
        elif item.kind == "new":
            found = [event.order_id for event in events.get((item.account, item.client_order_id), [])]
            if item.outcome != "rejected" and item.order_id not in found:
                yield f"{name}: order-events has no order {item.order_id}"
            elif not found:
                yield f"{name}: order-events says nothing of it"


def no_order_doubled(evidence: Evidence) -> Iterator[str]:
    """However often it was sent, a client_order_id became one order, and `order-events` says `new` of it once."""
    for (account, client_order_id), events in _by_order(evidence.events).items():
        born = [event.order_id for event in events if event.exec_type == "new"]
        if len(born) > 1:
            yield f"{client_order_id} of {account} became the orders {', '.join(born)}"


def no_command_missing(evidence: Evidence) -> Iterator[str]:
    """`commands` has every seq from 1 to the engine's last one."""
    missing = sorted(set(range(1, evidence.live.last_seq + 1)) - {command.seq for command in evidence.commands})
    if missing:
        yield f"{len(missing)} of {evidence.live.last_seq} are not there, the first is {missing[0]}"


def no_command_doubled(evidence: Evidence) -> Iterator[str]:
    """`commands` has no seq twice."""
    for seq, count in _repeated(command.seq for command in evidence.commands):
        yield f"command {seq} is there {count} times"


def no_event_doubled(evidence: Evidence) -> Iterator[str]:
    """Each exec_id stands once in `order-events`."""
    for exec_id, count in _repeated(event.exec_id for event in evidence.events):
        yield f"{exec_id} is there {count} times"


def no_fill_doubled(evidence: Evidence) -> Iterator[str]:
    """Each fill_id stands once in `fills`."""
    for fill_id, count in _repeated(fill.fill_id for fill in evidence.fills):
        yield f"{fill_id} is there {count} times"


def no_kafka_record_lost(evidence: Evidence) -> Iterator[str]:
    """Each record of the topic `orders` became a command."""
    read = _read_from_kafka(evidence)
    for partition, offset in sorted(evidence.orders - read.keys()):
        yield f"the record {offset} of partition {partition} became no command"
    for partition, offset in sorted(evidence.delivered.keys() - evidence.orders):
        yield f"the record {offset} of partition {partition}, which Kafka took, is not in the topic"


def no_kafka_record_doubled(evidence: Evidence) -> Iterator[str]:
    """No record of the topic `orders` became two commands."""
    for (partition, offset), count in _read_from_kafka(evidence).items():
        if count > 1:
            yield f"the record {offset} of partition {partition} became {count} commands"


def events_are_the_replay(evidence: Evidence) -> Iterator[str]:
    """`order-events` and `fills` have what a replay of the journal gives, and no more."""
    replayed = evidence.replays[0]
    published: tuple[tuple[str, list[Place], Iterable[Any]], ...] = (
        ("order-events", replayed.events, evidence.events),
        ("fills", replayed.fills, evidence.fills),
    )
    for topic, wanted, records in published:
        there = {Place(record.seq, record.index) for record in records}
        for place in sorted(set(wanted) - there):
            yield f"{topic} lacks event {place.number} of command {place.seq}"
        for place in sorted(there - set(wanted)):
            yield f"{topic} has event {place.number} of command {place.seq}, which the replay has not"


def status_agrees(evidence: Evidence) -> Iterator[str]:
    """The engine's `status` says of every order what its last event says."""
    for order, events in _by_order(evidence.events).items():
        if all(event.exec_type != "new" for event in events):
            continue
        order_id = next(event.order_id for event in events if event.exec_type == "new")
        last = max(
            (event for event in events if event.order_id == order_id and event.exec_type != "rejected"),
            key=lambda event: (event.seq, event.index),
        )
        state = evidence.states.get(order)
        told = (last.order_id, last.order_status, last.filled_quantity)
        known = None if state is None else (state.order_id, state.order_status, state.filled_quantity)
        if known != told:
            yield f"{order[1]} of {order[0]}: status says {known}, its last event {told}"


def replay_is_live(evidence: Evidence) -> Iterator[str]:
    """Two replays of the journal, batched differently, have the state hash of the engine that lived through it."""
    for number, replayed in enumerate(evidence.replays, 1):
        if replayed.state_hash != evidence.live.state_hash:
            yield f"replay {number} comes to {replayed.state_hash}, the engine to {evidence.live.state_hash}"


INVARIANTS: Final[tuple[Callable[[Evidence], Iterator[str]], ...]] = (
    no_acknowledged_order_lost,
    no_order_doubled,
    no_command_missing,
    no_command_doubled,
    no_event_doubled,
    no_fill_doubled,
    no_kafka_record_lost,
    no_kafka_record_doubled,
    events_are_the_replay,
    status_agrees,
    replay_is_live,
)


def violations(evidence: Evidence) -> list[Violation]:
    """Of all invariants."""
    return [Violation(check.__name__, text) for check in INVARIANTS for text in check(evidence)]


def told(found: list[Violation]) -> str:
    """The violations as lines, the invariant first."""
    lines = []
    for name, count in Counter(violation.invariant for violation in found).items():
        texts = [violation.text for violation in found if violation.invariant == name]
        lines += [f"{name}: {text}" for text in texts[:SHOWN]]
        if count > SHOWN:
            lines.append(f"{name}: … {count} in all")
    return "\n".join(lines)


def _read_from_kafka(evidence: Evidence) -> Counter[tuple[int, int]]:
    """How many commands each (partition, offset) of the topic `orders` became."""
    return Counter(
        (command.source_partition, command.source_offset)
        for command in evidence.commands
        if command.source_partition is not None and command.source_offset is not None
    )


def _named(command: SequencedCommand) -> tuple[str, str]:
    return command.command.get("account", ""), command.command.get("client_order_id", "")


def _by_order(events: Iterable[OrderEvent]) -> dict[tuple[str, str], list[OrderEvent]]:
    """By (account, client_order_id)."""
    found: dict[tuple[str, str], list[OrderEvent]] = {}
    for event in events:
        found.setdefault((event.account, event.client_order_id), []).append(event)
    return found


def _repeated(names: Iterable[Hashable]) -> list[tuple[Any, int]]:
    return [(name, count) for name, count in Counter(names).items() if count > 1]
