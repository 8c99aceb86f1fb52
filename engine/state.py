"""What compiled functions take: the whole state, a batch of commands, and the room for its answers, each one tuple of
preallocated arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.book import Books
from engine.clients import Clients


class Engine(NamedTuple):
    """Everything that matching reads and writes."""

    books: Books
    clients: Clients
    accounts: NDArray[np.int64]
    """[number of accounts]: they are numbered from 1."""


class Batch(NamedTuple):
    """Commands to apply, in order."""

    commands: NDArray[Any]
    """COMMAND."""
    words: NDArray[np.uint64]
    """The same memory as 64-bit words: (command, COMMAND_WORDS)."""


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
