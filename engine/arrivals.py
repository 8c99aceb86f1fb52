"""The Kafka door's side of the engine: records of the topic `orders` become commands of the batch, or refusals."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np

from engine.batch import Batch
from engine.batch_decode import BatchDecoder
from engine.core import Core
from engine.decode import decode, with_ids
from engine.ingress import Ingress, read, refused
from engine.lookup import with_symbol
from engine.messages import OrderCommand, Refused, Unreadable, as_json
from engine.refusal import Refusal
from engine.sequencer import Sequencer
from engine.sessions import NOT_YOUR_TIME
from engine.words import Reason, Source

REST_SECONDS: Final = 0.2
"""How long Kafka's records wait when the disk takes nothing, before they are read again."""


class Arrivals:
    """Takes the topic's records in, in their order."""

    def __init__(
        self, sequencer: Sequencer, ingress: Ingress, batch: Batch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sequencer = sequencer
        self._core: Core = sequencer.core
        self._ingress = ingress
        self._batch = batch
        self._clock = clock
        self._resume = 0.0
        self._decoder = BatchDecoder(self._core.instruments, self._core.accounts)
        self._decoder.decode([b"{}"])  # compiles it, before somebody waits

    def step(self) -> None:
        """Adds what has arrived to the batch; nothing while Kafka itself is too far behind to publish more, or for a
        while after the disk took nothing."""
        if self._resume:
            if self._clock() < self._resume:
                return
            self._resume = 0.0
            self._batch.lost = False
            self._ingress.rewind(self._sequencer.next_offsets)
        if self._batch.is_behind:
            return
        arrived = self._ingress.poll()
        if not arrived.values:
            return
        records, plain = self._decoder.decode(arrived.values)
        records["source"] = int(Source.KAFKA)
        records["source_partition"] = arrived.partitions
        records["source_offset"] = arrived.offsets
        start = 0
        for row in np.flatnonzero(~plain).tolist():
            if start < row:
                self._batch.add(records[start:row], None)
            partition, offset = arrived.partitions[row], arrived.offsets[row]
            self._arrive(read(arrived.values[row], arrived.keys[row], partition, offset), partition, offset)
            if self._batch.lost:
                return
            start = row + 1
        if start < len(records):
            self._batch.add(records[start:], None)

    def rest_if_lost(self) -> None:
        """After a flush: what did not get into the journal is read again, later."""
        if self._batch.lost and not self._resume:
            self._resume = self._clock() + REST_SECONDS

    def _arrive(self, command: OrderCommand | Refused | Unreadable, partition: int, offset: int) -> None:
        """One record that the batch decoder leaves to the long way."""
        if isinstance(command, Refused | Unreadable):
            self._refuse(command, partition, offset)
            return
        if command.transact_ns:
            refusal = Refusal(Reason.NOT_AUTHORIZED, "transact_ns", NOT_YOUR_TIME)
            self._refuse(refused(msgspec.json.decode(as_json(command)), refusal), partition, offset)
            return
        command = with_ids(command, f"kafka-{partition}-{offset}")
        try:
            command = with_symbol(self._core, command, self._batch.flush)
            if self._batch.lost:
                return
            records = decode(command, self._core.instruments, self._core.accounts)
        except Refusal as refusal:
            self._refuse(refused(msgspec.json.decode(as_json(command)), refusal), partition, offset)
            return
        records["source"] = int(Source.KAFKA)
        records["source_partition"] = partition
        records["source_offset"] = offset
        self._batch.add(records, None)

    def _refuse(self, command: Refused | Unreadable, partition: int, offset: int) -> None:
        self._batch.administer(command, Source.KAFKA, "", source_partition=partition, source_offset=offset)

    def close(self) -> None:
        self._ingress.close()
