"""The engine's process and the publisher's, as one thread drives them: the real parts, without sockets and signals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from numpy.typing import NDArray

import engine.ingress
import engine.journal
import engine.journal_reader
import engine.progress
import engine.publisher
import engine.reference_data
import engine.tails
from engine.arrivals import Arrivals
from engine.batch import Batch
from engine.core import Core
from engine.ingress import Ingress
from engine.messages import Timer
from engine.publisher import Publisher
from engine.sequencer import Sequencer
from engine.words import Source
from tests.simulation.broker import Broker, Producer
from tests.simulation.clock import Clock
from tests.simulation.disk import FaultyDisk

MOST_UNPUBLISHED: Final = 12_000
"""Bytes of journal that Kafka may lag behind: about fifty commands."""
RETRY_SECONDS: Final = 0.2
SIZES: Final[tuple[tuple[Any, str, int], ...]] = (
    (engine.reference_data, "INSTRUMENT_ROOM", 4),
    (engine.reference_data, "ACCOUNT_ROOM", 8),
    (engine.journal, "SEGMENT_BYTES", 30_000),
    (engine.journal, "STEP_BYTES", 4_000),
    (engine.journal_reader, "READ_BYTES", 10_000),
    (engine.progress, "STEP_BYTES", 4_000),
)
"""Small, so that a thousand commands fill several segments."""


@contextmanager
def in_place(broker: Broker) -> Iterator[None]:
    """Small sizes, and `broker` where the product has librdkafka."""
    with ExitStack() as stack:
        for module, name, size in SIZES:
            stack.enter_context(patch.object(module, name, size))
        for module in (engine.ingress, engine.tails):
            stack.enter_context(patch.object(module, "Consumer", broker.consumer))
        stack.enter_context(patch.object(engine.publisher, "Producer", broker.producer))
        yield


class EngineProcess:
    """What `engine.server.Server` owns and does in a round, but for its sockets."""

    def __init__(
        self,
        folder: Path,
        disk: FaultyDisk,
        clock: Clock,
        max_orders: int,
        follower: Callable[[NDArray[Any]], None],
    ) -> None:
        """Raises what `Sequencer` raises, and `Crash`."""
        self._clock = clock
        self._retry = 0.0
        self.core = Core(max_orders=max_orders)
        self.sequencer = Sequencer(self.core, folder, clock=clock.wall_ns, disk=disk)
        self.batch = Batch(self.sequencer, most_unpublished=MOST_UNPUBLISHED, clock=clock.monotonic)
        self.batch.follow(follower)
        self.ingress = Ingress("", self.sequencer.next_offsets)
        self.ingress._finder.join()  # nothing runs beside the one thread
        self._arrivals = Arrivals(self.sequencer, self.ingress, self.batch, clock.monotonic)

    def step(self) -> None:
        """Raises OSError where the disk could not keep what it was told to: then the engine stops."""
        self.batch.flush()
        self.batch.release()
        self._arrivals.step()
        self.batch.flush()
        self._arrivals.rest_if_lost()
        now = self._clock.monotonic()
        if (
            self._clock.wall_ns() >= self.core.next_expiry
            and now >= self._retry
            and not self.batch.administer(Timer(), Source.SYSTEM, "engine")
        ):
            self._retry = now + RETRY_SECONDS

    def read_ahead(self) -> bool:
        """Whether records of `orders` are here that the journal has not."""
        taken = self.ingress._next_offsets
        return any(offset > self.sequencer.next_offsets.get(number, 0) for number, offset in taken.items())

    def end(self) -> None:
        """What the system takes back when a process is gone."""
        self.ingress.close()
        self.sequencer._progress.close()


class PublisherProcess:
    def __init__(self, folder: Path, max_orders: int, broker: Broker) -> None:
        self._publisher = Publisher(folder, "", max_orders)
        self.producer: Producer = broker.producers[-1]

    def prepare(self) -> None:
        """Raises RuntimeError where Kafka holds another journal's events."""
        self._publisher.prepare()

    def step(self) -> bool:
        return self._publisher.follow()

    def end(self) -> None:
        self._publisher._reader.close()
        if self._publisher._progress is not None:
            self._publisher._progress.close()
        self.producer.end_process()
