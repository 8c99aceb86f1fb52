"""The agents' own state in the compacted topic `ledger-state`: how it is written and read back.

A source partition's state lies in the partition of the same number. Its records are one for each key that the agent
keeps (an account's position, an account) and one for the cursor, written after them: key `agent|partition|`, with
`next_offset` and, in `state`, where the agent's output ended when it was written. What a reader finds is therefore
never behind its cursor.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from engine import messages, topics
from streams.consumer import Cursor, Partition, read_to_end
from streams.outbox import Outbox

TOPIC: Final = topics.LEDGER_STATE.name
_decoder: Final = msgspec.json.Decoder(messages.LedgerState)


class Saved(NamedTuple):
    """What an agent had saved for one source partition. `outputs` is where its output topic ended then, so that the
    records published since can be found; `next_offset` is None where nothing was saved yet."""

    next_offset: int | None
    outputs: Cursor
    states: dict[str, dict[str, Any]]


def record_key(agent: str, partition: int, key: str) -> str:
    return f"{agent}|{partition}|{key}"


def save(
    outbox: Outbox,
    count: int,
    agent: str,
    partition: int,
    next_offset: int,
    output: str,
    states: Iterable[tuple[str, dict[str, Any]]],
) -> None:
    """Queues the states and, after them, the cursor. `count` is the number of partitions of `ledger-state`; `output`
    is the topic whose ends go into the cursor's record."""
    outputs = {str(number): end for (topic, number), end in outbox.ends.items() if topic == output}
    for key, state in (*states, ("", {"outputs": outputs})):
        record = messages.LedgerState(agent=agent, partition=partition, key=key, next_offset=next_offset, state=state)
        outbox.send(TOPIC, record_key(agent, partition, key), messages.as_json(record), partition % count)


def load(bootstrap: str, count: int, agent: str, partitions: Iterable[int], output: str) -> dict[int, Saved]:
    """What `agent` saved for each of the source partitions. Raises `KafkaException` where Kafka fails."""
    wanted = set(partitions)
    latest: dict[bytes, bytes | None] = {}
    starts: dict[Partition, int | None] = {(TOPIC, number % count): None for number in wanted}
    prefixes = tuple(f"{agent}|{number}|".encode() for number in wanted)
    for batch in read_to_end(bootstrap, starts, name=f"{agent}-state"):
        for message in batch:
            key = message.key()
            if key is not None and key.startswith(prefixes):
                latest[key] = message.value()
    saved = {number: Saved(None, {}, {}) for number in wanted}
    for value in latest.values():
        if value is None:
            continue
        record = _decoder.decode(value)
        entry = saved[record.partition]
        if record.key:
            entry.states[record.key] = record.state
        else:
            outputs = {(output, int(number)): end for number, end in record.state["outputs"].items()}
            saved[record.partition] = Saved(record.next_offset, outputs, entry.states)
    return saved


def load_plain(bootstrap: str, agent: str) -> dict[str, dict[str, Any]]:
    """The latest state of every key of an agent that keeps all under partition 0 and has no cursor of its own.

    Raises `KafkaException` where Kafka fails."""
    prefix = f"{agent}|0|".encode()
    latest: dict[str, dict[str, Any]] = {}
    for batch in read_to_end(bootstrap, {(TOPIC, 0): None}, name=f"{agent}-state"):
        for message in batch:
            key, value = message.key(), message.value()
            if key is not None and key.startswith(prefix) and value is not None:
                record = _decoder.decode(value)
                latest[record.key] = record.state
    return latest
