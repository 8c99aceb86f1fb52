"""The process that publishes how the topics stand: reads their bytes and chains them (`chain`).

It keeps nothing: on a start it goes on from the last hash of each topic in `state-hashes`. Since a hash depends on the
log alone, it does not matter where it was stopped, or whether it says the same twice."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec
from confluent_kafka import KafkaException

from engine import messages, topics
from streams.chain import START, chained
from streams.consumer import Cursor, LogReader, Partition, Stopped, log_bounds, place, read_to_end
from streams.lifecycle import Outage, stop_on_signals
from streams.outbox import Outbox

log = logging.getLogger(__name__)

TOPIC: Final = topics.STATE_HASHES.name
NAMES: Final = tuple(topic.name for topic in topics.HASHED)
INTERVAL_S: Final = 5.0
"""Between two hashes of a topic that is written."""
BATCH: Final = 10_000
WAIT_S: Final = 0.5
LINGER_S: Final = 0.02
LOOK_BACK: Final = (100, 10_000, 1 << 62)
"""Records of `state-hashes` searched for the last ones of each topic, in growing steps."""

_decoder: Final = msgspec.json.Decoder(messages.StateHash)


def last_hashes(bootstrap: str) -> dict[str, messages.StateHash]:
    """The last hash of each topic's records. Raises `KafkaException`."""
    ((low, high),) = log_bounds(bootstrap, [TOPIC]).values()
    found: dict[str, messages.StateHash] = {}
    for back in LOOK_BACK:
        start = max(low, high - back)
        for batch in read_to_end(bootstrap, {(TOPIC, 0): start}, name="hashes-tail"):
            for message in batch:
                record = _decoder.decode(message.value() or b"")
                if record.kind == "records":
                    found[record.topic] = record
        if start == low or found.keys() >= set(NAMES):
            break
    return found


class Hashes:
    """The hash of every partition of the hashed topics."""

    def __init__(self, last: dict[str, messages.StateHash]) -> None:
        self.chains: dict[Partition, bytes] = {}
        self.offsets: Cursor = {}
        self._ts_ns: dict[str, int] = {}
        self._touched: set[str] = set()
        for name, record in last.items():
            self._ts_ns[name] = record.ts_ns
            for number, (offset, hashed) in enumerate(zip(record.offsets, record.hashes, strict=True)):
                self.offsets[name, number] = offset
                self.chains[name, number] = bytes.fromhex(hashed)

    def take(self, partition: Partition, offset: int, key: bytes, value: bytes, ts_ns: int) -> None:
        """The next record of a partition."""
        name = partition[0]
        self.chains[partition] = chained(self.chains.get(partition, START), key, value)
        self.offsets[partition] = offset + 1
        self._ts_ns[name] = max(self._ts_ns.get(name, 0), ts_ns)
        self._touched.add(name)

    def due(self, counts: dict[str, int]) -> list[messages.StateHash]:
        """A record for each topic that has grown since the last call; `counts` has the partitions of each."""
        touched, self._touched = self._touched, set()
        return [
            messages.StateHash(
                topic=name,
                kind="records",
                offsets=[self.offsets.get((name, number), 0) for number in range(counts[name])],
                hashes=[self.chains.get((name, number), START).hex() for number in range(counts[name])],
                ts_ns=self._ts_ns[name],
            )
            for name in sorted(touched)
        ]


def run(bootstrap: str, ready: Callable[[], None]) -> None:
    """Publishes hashes until SIGTERM or SIGINT, and once more at the end.

    Raises `LogMismatch` where the last hashes are of another log than Kafka holds."""
    stop = stop_on_signals()
    try:
        _run(bootstrap, stop, ready)
    except Stopped:
        return


def _run(bootstrap: str, stop: threading.Event, ready: Callable[[], None]) -> None:
    hashes = Hashes(_wait_for_hashes(bootstrap, stop))
    reader = LogReader(bootstrap, NAMES, name="hashes", stop=stop, log=log)
    outbox = Outbox(bootstrap, "hashes")
    try:
        reader.start(hashes.offsets)
        counts = dict.fromkeys(NAMES, 0)
        for name, _ in reader.cursor:
            counts[name] += 1
        ready()
        due = time.monotonic()
        while not stop.is_set():
            for message in reader.read(BATCH, WAIT_S, LINGER_S):
                name, number, offset = place(message)
                ts_ns = message.timestamp()[1] * 1_000_000
                hashes.take((name, number), offset, message.key() or b"", message.value() or b"", ts_ns)
            if time.monotonic() >= due:
                due = time.monotonic() + INTERVAL_S
                _publish(outbox, hashes, counts)
        _publish(outbox, hashes, counts)
    finally:
        reader.close()
        outbox.close()


def _publish(outbox: Outbox, hashes: Hashes, counts: dict[str, int]) -> None:
    """Nobody waits for these: one that is lost is followed by one that says more."""
    for record in hashes.due(counts):
        outbox.send(TOPIC, record.topic, messages.as_json(record), 0)


def _wait_for_hashes(bootstrap: str, stop: threading.Event) -> dict[str, messages.StateHash]:
    outage = Outage(log, "Kafka")
    while True:
        try:
            return last_hashes(bootstrap)
        except KafkaException as error:
            outage.lost(error.args[0].str())
        if stop.wait(0.5):
            raise Stopped
