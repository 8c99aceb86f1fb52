"""What can go wrong, how often it does, and how often it did."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Final

KINDS: Final[dict[str, str]] = {
    "crash before a write": "the engine's process ends, the write has not begun",
    "crash within a write": "a random part of the bytes is in the file",
    "crash after a write": "all of them are, nobody was answered",
    "crash at a change of names": "beside a rename, a removal or the fsync of a folder",
    "crash at a truncation": "beside the cutting of a torn tail, or of what a full segment had reserved",
    "crash at a sync": "beside an fdatasync",
    "crash between steps": "all that was begun is done",
    "machine crash": "engine and publisher end, the disk keeps what was synced and a part of the rest",
    "unsynced bytes lost": "by a machine crash: written, answered as journaled, gone",
    "unsynced names lost": "by a machine crash: a segment or a snapshot without the name it was given, or back again",
    "progress file lost": "by a machine crash",
    "torn tail cut": "a start found a frame that a crash had left in part",
    "short write": "the disk takes a part of the bytes",
    "failed write": "the disk takes none",
    "failed sync": "fdatasync says so, and the engine stops",
    "disk full": "no block is left but what is reserved",
    "order refused by the full disk": "answered busy",
    "cancel taken by the full disk": "out of the reserve",
    "damaged snapshot": "a bit of the newest one is another",
    "foreign snapshot": "whole, but of another state than it says, as of another version of the program",
    "clock back": "by up to an hour",
    "clock forward": "by up to an hour",
    "delivery lost": "records of `orders` reach an engine that ends, or cannot write, before they are in the journal",
    "fetch failed": "Kafka answers with an error",
    "delivery doubled": "records of `orders` come twice in a row",
    "older offset read again": "Kafka delivers from an older record on",
    "order sent twice": "the topic `orders` has the same order twice, as its sender saw no acknowledgement",
    "frame sent twice": "by ZeroMQ, as its sender saw no reply",
    "Kafka away": "nothing is read, nothing is acknowledged",
    "order refused behind Kafka": "the journal is too far ahead, answered busy",
    "publisher crash": "at any record, or between two frames",
    "records lost in flight": "the publisher ends before Kafka has them",
    "acknowledgement lost": "Kafka has them, the publisher ends before it knows",
    "producer's queue full": "the publisher waits",
    "published and lost": "by a machine crash: Kafka is ahead of the journal",
}
"""Each must happen in a long run, or the run proves less than it says."""


class Faults:
    """The seed's chance, and the count of what it brought."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(f"simulation {seed}")
        self.counts: Counter[str] = Counter()
        self.on = True
        """Off while the exchange is opened, and while a run comes to its end."""

    def note(self, kind: str) -> None:
        assert kind in KINDS, kind
        self.counts[kind] += 1

    def strikes(self, kind: str, probability: float) -> bool:
        """Whether the fault happens now; then it is counted."""
        happens = self.on and self.chance.random() < probability
        if happens:
            self.note(kind)
        return happens


class Crash(BaseException):
    """The process ends here: nothing but the simulation catches it, nothing runs after it."""


class MachineCrash(Crash):
    """The machine does."""
