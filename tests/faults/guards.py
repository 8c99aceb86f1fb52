"""The program `hft` with one guard against loss and repetition switched off, for the controls:

    python -m tests.faults.guards GUARD run engine …

What is switched off is a method of the product's own class, in this process only."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from typing import Any, Final

HELD_BACK: Final = 20
"""Frames that are answered before they are written, where the guard `journal_before_reply` is off."""


def journal_offsets() -> None:
    """The engine reads `orders` from its beginning, whatever the journal has read."""
    from engine.ingress import Ingress

    begin = Ingress.__init__

    def from_the_beginning(
        self: Ingress, bootstrap: str, next_offsets: dict[int, int], *more: Any, **named: Any
    ) -> None:
        begin(self, bootstrap, {}, *more, **named)

    Ingress.__init__ = from_the_beginning  # type: ignore[method-assign]


def resume_position() -> None:
    """The publisher does not look at what its topics hold."""
    from engine.tails import Tail, Tails

    read = Tails.read

    def nothing_published(self: Tails, topics: list[str]) -> tuple[dict[str, int], dict[tuple[str, int], Tail]] | None:
        found = read(self, topics)
        return None if found is None else (found[0], {})

    Tails.read = nothing_published  # type: ignore[method-assign]


def journal_before_reply() -> None:
    """Replies go out while the last frames still wait to be written."""
    from engine.journal import Writer

    append_records, append_administrative = Writer.append_records, Writer.append_administrative
    held: deque[Any] = deque()

    def later(self: Writer, records: Any, **named: Any) -> None:
        held.append(records.copy())
        if len(held) > HELD_BACK:
            append_records(self, held.popleft(), **named)

    def after_those_held(self: Writer, seq: int, entry: Any, **named: Any) -> None:
        while held:
            append_records(self, held.popleft(), **named)
        append_administrative(self, seq, entry, **named)

    Writer.append_records = later  # type: ignore[method-assign]
    Writer.append_administrative = after_those_held  # type: ignore[method-assign]


def torn_tail_cut() -> None:
    """A frame that a crash left half written stays where it is."""
    from engine.disk import Disk

    def leave(self: Disk, descriptor: int, size: int) -> None:
        pass

    Disk.truncate = leave  # type: ignore[method-assign]


def ledger_sequence() -> None:
    """Positions count a fill again that they hold already."""
    from streams import ledger

    ledger.is_applied = lambda *_: False


GUARDS: Final[dict[str, Callable[[], None]]] = {
    switch.__name__: switch
    for switch in (journal_offsets, resume_position, journal_before_reply, torn_tail_cut, ledger_sequence)
}

if __name__ == "__main__":
    GUARDS[sys.argv.pop(1)]()
    from infra.cli import main

    main()
