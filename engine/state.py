"""What compiled functions take: the whole state, a batch of commands, and the room for its answers, each one tuple of
preallocated arrays."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.book import Books
from engine.clients import Clients
from engine.ledger import Ledger


class Engine(NamedTuple):
    """Everything that matching reads and writes."""

    books: Books
    clients: Clients
    ledger: Ledger
    work: NDArray[np.int64]
    """The command in progress: what is left to do of it where the room for reports ran out (the places below)."""
    scratch: NDArray[np.uint32]
    """Slots that a sweep has found, in the order of their numbers."""


WORK: Final = 32

STEP: Final = 0
"""What comes next, one of the following."""
IDLE: Final = 0  # the next command
MATCH: Final = 1  # the order in TAKER trades on
SECOND: Final = 2  # the second leg of an OCO list enters
DRIVE: Final = 3  # activated orders enter
SWEEP: Final = 4  # the orders in `scratch` end
UNCROSS: Final = 5  # an auction trades
LEFTOVERS: Final = 6  # what cannot stay after an auction is found
PHASE_ENTRY: Final = 7  # the new phase begins
FINISH: Final = 8  # the reply

ROW: Final = 1  # the command whose stamps the reports carry
LEGS: Final = 2  # how many commands are answered at once
FIRST: Final = 3  # number of the report whose index is 0
MATCHES: Final = 4  # matches of this command so far
TAKER: Final = 5  # slot, 0 = it has ended
CLIENT_RECORD: Final = 6  # of the order, or of a list's first leg
CLIENT_SECOND: Final = 7
CLIENT_THIRD: Final = 8
NEXT_LEG: Final = 9  # slot of the second leg of an OCO list
FIRST_PRICE: Final = 10  # of this round of matching, 0 = nothing traded yet
NOW: Final = 11  # number of the instrument that is driven
LAST: Final = 12  # and of the last one to drive
SWEPT: Final = 13  # place in `scratch`
FOUND: Final = 14  # orders in `scratch`
SWEEP_EXEC: Final = 15
SWEEP_REASON: Final = 16
SWEEP_WHOLE: Final = 17  # 1 = linked orders end with it, whatever was filled
AFTER: Final = 18  # the step after the sweep
UNCROSS_LEVEL: Final = 19
UNCROSS_LOTS: Final = 20
NEW_PHASE: Final = 21
AFFECTED: Final = 22
NEXT_EXPIRY: Final = 23
"""A lower bound of the next time at which an order expires; unlike the others it outlives the command."""
OPENING: Final = 24  # what `risk.check_risk` found: lots to reserve
RATE: Final = 25  # and money units for each


class Batch(NamedTuple):
    """Commands to apply, in order."""

    commands: NDArray[Any]
    """COMMAND."""
    words: NDArray[np.uint64]
    """The same memory as 64-bit words, a row for each command."""


class Output(NamedTuple):
    """Where the answers go."""

    reports: NDArray[Any]
    """REPORT."""
    report_words: NDArray[np.uint64]
    """The same memory as 64-bit words."""
    replies: NDArray[Any]
    """REPLY, by the command's place in the batch."""
    written: NDArray[np.int64]
    """[number of reports so far]."""
    keys: NDArray[np.uint64]
    """[KEYS]: hints for `lookahead`, by the command's place in the batch modulo KEYS."""


class Handed(NamedTuple):
    """What stays from one call of compiled code to the next, until one of the arrays has to grow: handed over by its
    addresses."""

    engine: Engine
    reports: NDArray[Any]
    """REPORT."""
    report_words: NDArray[np.uint64]
    written: NDArray[np.int64]
    keys: NDArray[np.uint64]


KEYS: Final = 16


ROOM: Final = 24
"""No step writes more reports than this."""
