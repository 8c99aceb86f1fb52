"""The Kafka door's side of the engine: records of the topic `orders` become commands of the batch, or refusals."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.batch import Batch
from engine.batch_decode import BatchDecoder
from engine.core import Core
from engine.decode import decode, with_ids
from engine.ingress import Arrived, Ingress, read, refused
from engine.lookup import with_symbol
from engine.messages import OrderCommand, Refused, Unreadable, as_json
from engine.producers import ANYBODY, Producers
from engine.refusal import Refusal
from engine.sequencer import Sequencer
from engine.sessions import NOT_YOUR_TIME
from engine.words import Reason, Source

REST_SECONDS: Final = 0.2
"""How long Kafka's records wait when the disk takes nothing, before they are read again."""


class _Owner(msgspec.Struct):
    account: str | None = None


_owner: Final = msgspec.json.Decoder(_Owner)


class Arrivals:
    """Takes the topic's records in, in their order."""

    def __init__(
        self,
        sequencer: Sequencer,
        ingress: Ingress,
        batch: Batch,
        clock: Callable[[], float] = time.monotonic,
        producers: Producers | None = None,
    ) -> None:
        """`producers`: who may send what; None: whoever the broker lets write, for every account."""
        self._sequencer = sequencer
        self._core: Core = sequencer.core
        self._ingress = ingress
        self._batch = batch
        self._clock = clock
        self._producers = producers
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
        records["actor"] = ANYBODY
        refusals = {} if self._producers is None else self._refusals(self._producers, arrived, records, plain)
        start = 0
        for row in np.flatnonzero(~plain).tolist():
            if start < row:
                self._batch.add(records[start:row], None)
            partition, offset = arrived.partitions[row], arrived.offsets[row]
            command = read(arrived.values[row], arrived.keys[row], partition, offset)
            if row in refusals and not isinstance(command, Refused | Unreadable):
                command = refused(msgspec.json.decode(as_json(command)), refusals[row])
            self._arrive(command, partition, offset, bytes(records["actor"][row]))
            if self._batch.lost:
                return
            start = row + 1
        if start < len(records):
            self._batch.add(records[start:], None)

    def rest_if_lost(self) -> None:
        """After a flush: what did not get into the journal is read again, later."""
        if self._batch.lost and not self._resume:
            self._resume = self._clock() + REST_SECONDS

    def _refusals(
        self, producers: Producers, arrived: Arrived, records: NDArray[Any], plain: NDArray[np.bool_]
    ) -> dict[int, Refusal]:
        """Why records must not be carried out, by row; these are no longer plain. Names each record's actor."""
        refusals: dict[int, Refusal] = {}
        for row, token in enumerate(arrived.tokens):
            try:
                identity = producers.identity(token)
                records["actor"][row] = identity.actor.encode()[:20]
                account = self._account(records[row] if plain[row] else None, arrived.values[row])
                if account is not None and not identity.may_use(account):
                    raise Refusal(Reason.NOT_AUTHORIZED, "account", f"this token may not act for {account}")
            except Refusal as refusal:
                refusals[row] = refusal
                plain[row] = False
        return refusals

    def _account(self, record: Any, value: bytes) -> str | None:
        """The account that a record is for; None where it names none, and is refused for that."""
        if record is not None:
            number = int(record["account"])
            return self._core.accounts.by_number(number).account if 0 < number <= len(self._core.accounts) else None
        try:
            return _owner.decode(value).account
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def _arrive(self, command: OrderCommand | Refused | Unreadable, partition: int, offset: int, actor: bytes) -> None:
        """One record that the batch decoder leaves to the long way."""
        if isinstance(command, Refused | Unreadable):
            self._refuse(command, partition, offset, actor)
            return
        if command.transact_ns:
            refusal = Refusal(Reason.NOT_AUTHORIZED, "transact_ns", NOT_YOUR_TIME)
            self._refuse(refused(msgspec.json.decode(as_json(command)), refusal), partition, offset, actor)
            return
        command = with_ids(command, lambda: f"kafka-{partition}-{offset}")
        try:
            command = with_symbol(self._core, command, self._batch.flush)
            if self._batch.lost:
                return
            records = decode(command, self._core.instruments, self._core.accounts)
        except Refusal as refusal:
            self._refuse(refused(msgspec.json.decode(as_json(command)), refusal), partition, offset, actor)
            return
        records["actor"] = actor
        records["source"] = int(Source.KAFKA)
        records["source_partition"] = partition
        records["source_offset"] = offset
        self._batch.add(records, None)

    def _refuse(self, command: Refused | Unreadable, partition: int, offset: int, actor: bytes) -> None:
        self._batch.administer(
            command, Source.KAFKA, actor.decode(errors="replace"), source_partition=partition, source_offset=offset
        )

    def close(self) -> None:
        self._ingress.close()
