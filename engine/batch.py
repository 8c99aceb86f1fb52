"""What waits to be sequenced together, from every door, and the replies that wait to go out.

A reply goes out once its command has the durability that was asked for: `journaled` (written), `synced` (flushed to the
disk, once for the whole batch) or `committed` (acknowledged by Kafka)."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.direct import direct
from engine.jit import entry
from engine.layout import REPLY
from engine.messages import AdministrativeCommand
from engine.rows import joined
from engine.sequencer import Sequencer
from engine.words import CommandType, Durability, Outcome, Reason, Source

log = logging.getLogger(__name__)

LARGEST: Final = 8192
"""Commands that are journaled as one frame and answered together, a ZeroMQ frame's last ones aside."""
COMMIT_SECONDS: Final = 5.0
"""How long a reply waits for Kafka; then it goes out with the level that was reached."""
CHECK_SECONDS: Final = 0.005
"""How often the size of the unpublished journal is looked at."""

JOURNALED, SYNCED, COMMITTED = Durability
"""Under names of this file: an enum takes longer to find its members than all else that is done with them here."""

Answer = Callable[[NDArray[Any]], None]
Follower = Callable[[NDArray[Any]], None]


Asker = tuple[int, Answer | None, Durability]
"""Of how many records that wait for the next batch, who is told what became of them (REPLY records, one each), and what
that waits for. A bare tuple: one is made for every command that comes alone."""


class Held(NamedTuple):
    """Replies whose commands Kafka has not acknowledged yet."""

    seq: int
    deadline: float
    replies: NDArray[Any]
    answer: Answer


class Batch:
    """One shard's next batch."""

    def __init__(
        self,
        sequencer: Sequencer,
        *,
        most_unpublished: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`most_unpublished`: bytes of journal that Kafka may lag behind before new orders are refused."""
        self._sequencer = sequencer
        self._most_unpublished = most_unpublished
        self._clock = clock
        self._waiting: list[NDArray[Any]] = []
        self._askers: list[Asker] = []
        """One for each of `_waiting`."""
        self._count = 0
        self._highest = JOURNALED
        """That somebody waits for in this batch."""
        self._held: deque[Held] = deque()
        self._followers: list[Follower] = []
        self._disk_is_full = False
        self._behind = False
        self._checked = 0.0
        self._name_durability = direct(_name_durability, np.zeros(0, REPLY), 0)
        self.lost = False
        """Whether records from Kafka did not get into the journal, and must be read again."""

    def follow(self, follower: Follower) -> None:
        """`follower` is given the reports of everything that is applied from now on, after the replies have gone."""
        self._followers.append(follower)

    # --------------------------------------------------------------------------------------------------- orders

    def add(self, records: NDArray[Any], answer: Answer | None, durability: Durability = JOURNALED) -> None:
        """COMMAND records for the next batch; `durability` is what the answer waits for."""
        count = len(records)
        self._waiting.append(records)
        self._askers.append((count, answer, durability))
        self._count += count
        if durability > self._highest:
            self._highest = durability

    @property
    def held(self) -> int:
        """How many batches' replies wait for Kafka."""
        return len(self._held)

    @property
    def disk_is_full(self) -> bool:
        return self._disk_is_full

    @property
    def is_large(self) -> bool:
        return self._count >= LARGEST

    def flush(self) -> None:
        """Sequences the waiting records as one batch."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        askers, self._askers, self._count = self._askers, [], 0
        highest, self._highest = self._highest, JOURNALED
        replies, reports = self._submit(joined(waiting))
        if highest >= SYNCED:
            self._sequencer.sync()
        start = 0
        for count, answer, durability in askers:
            end = start + count
            if answer is not None:
                self._answer(replies[start:end], answer, durability)
            start = end
        if reports is not None:
            self._tell(reports)

    def _tell(self, reports: NDArray[Any]) -> None:
        if len(reports):
            for follower in self._followers:
                follower(reports)

    def _submit(self, records: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """(REPLY records, reports). Where Kafka is too far behind or the disk is full, new orders and replaces are
        answered `busy`; cancels are still taken, for as long as the journal has room for them."""
        if self.is_behind:
            taken = ~_adds(records) | _from_kafka(records)
            if not taken.all():
                return self._submit_part(records, taken)
        try:
            applied = self._sequencer.submit(records)
        except OSError as error:
            self._note_full(error)
            # Kafka's records stay whole and in order: they are read again when there is room
            from_kafka = _from_kafka(records)
            self.lost |= bool(from_kafka.any())
            return self._submit_part(records, ~_adds(records) & ~from_kafka)
        if self._disk_is_full:
            self._note_full(None)
        return applied.replies, applied.reports

    def _submit_part(self, records: NDArray[Any], taken: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any] | None]:
        replies = np.zeros(len(records), REPLY)
        replies["outcome"], replies["reason"] = int(Outcome.REJECTED), int(Reason.BUSY)
        if not taken.any():
            return replies, None
        part = records[taken]
        try:
            applied = self._sequencer.submit(part)
        except OSError as error:
            self._note_full(error)
            self.lost |= bool((part["source_partition"] >= 0).any())
            return replies, None
        replies[taken] = applied.replies
        return replies, applied.reports

    @property
    def is_behind(self) -> bool:
        """Whether the journal is too far ahead of what Kafka has acknowledged."""
        now = self._clock()
        if now - self._checked >= CHECK_SECONDS:
            self._checked = now
            behind = self._sequencer.unpublished_bytes > self._most_unpublished
            if behind and not self._behind:
                log.error("Kafka is too far behind, new orders are answered busy")
            if self._behind and not behind:
                log.info("Kafka has caught up, new orders are taken again")
            self._behind = behind
        return self._behind

    def _note_full(self, error: OSError | None) -> None:
        if error is not None and not self._disk_is_full:
            log.error("the journal takes no more orders, they are answered busy: %s", error)
        if error is None and self._disk_is_full:
            log.info("the journal takes orders again")
        self._disk_is_full = error is not None

    # ------------------------------------------------------------------------------------------- administrative

    def administer(
        self,
        command: AdministrativeCommand,
        source: Source,
        actor: str,
        *,
        answer: Answer | None = None,
        durability: Durability = JOURNALED,
        source_partition: int = -1,
        source_offset: int = -1,
    ) -> bool:
        """Sequences one administrative command after all that waits. False: the disk takes nothing, and `answer` is not
        called."""
        self.flush()
        if self.lost and source_partition >= 0:
            return False
        try:
            applied = self._sequencer.administer(
                command, source, actor, source_partition=source_partition, source_offset=source_offset
            )
        except OSError as error:
            self._note_full(error)
            self.lost |= source_partition >= 0
            return False
        self._note_full(None)
        if durability >= SYNCED:
            self._sequencer.sync()
        if answer is not None:
            self._answer(applied.replies, answer, durability)
        self._tell(applied.reports)
        return True

    # -------------------------------------------------------------------------------------------------- replies

    def _answer(self, replies: NDArray[Any], answer: Answer, durability: Durability) -> None:
        if durability < COMMITTED or not replies["seq"].any():
            self._name_durability(replies, int(durability))
            answer(replies)
            return
        deadline = self._clock() + COMMIT_SECONDS
        self._held.append(Held(self._sequencer.last_seq, deadline, replies.copy(), answer))

    def release(self) -> None:
        """Sends the replies that Kafka's acknowledgement, or their time, has released."""
        if not self._held:
            return
        committed, now = self._sequencer.committed, self._clock()
        while self._held and (self._held[0].seq <= committed or self._held[0].deadline <= now):
            held = self._held.popleft()
            reached = COMMITTED if held.seq <= committed else SYNCED
            self._name_durability(held.replies, int(reached))
            held.answer(held.replies)

    def close(self) -> None:
        """Sequences what waits, and answers what is held with the level that it has reached."""
        self.flush()
        while self._held:
            held = self._held.popleft()
            self._name_durability(held.replies, int(SYNCED))
            held.answer(held.replies)


def _adds(records: NDArray[Any]) -> NDArray[np.bool_]:
    """Which records may bring an order into the book, or make one larger."""
    kinds = records["type"]
    found: NDArray[np.bool_] = (kinds == int(CommandType.NEW)) | (kinds == int(CommandType.REPLACE))
    return found


def _from_kafka(records: NDArray[Any]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = records["source_partition"] >= 0
    return found


@entry
def _name_durability(replies: Any, durability: int) -> None:
    """Of the commands that were sequenced; the others have none."""
    for row in range(len(replies)):
        replies["durability"][row] = durability if replies["seq"][row] != 0 else 0
