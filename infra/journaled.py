"""`hft replay --journal`: any past state of the engine, made again from its journal."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from engine.core import Core
from engine.journal_reader import Reader, runs
from engine.records import book_record
from engine.segments import Frame, read_head, segments
from engine.sequencer import apply_frame
from infra.errors import OperatorError

LEVELS: Final = 5


def rebuild(folder: Path, until: int | None) -> str:
    """Replays every command up to `until` (None: all) from the first, which checks the whole of what it reads. Returns
    the books as they stood then, and the state hash. Raises `OperatorError`, `JournalError`."""
    files = segments(folder)
    if not files:
        raise OperatorError(f"there is no journal in {folder}: --journal FOLDER names another, HFT_VAR the system's")
    head = read_head(files[0])
    core = Core(max_orders=head.max_orders)
    core.compile()
    started = time.monotonic()
    ts_ns, epoch = 0, head.epoch
    with closing(Reader(folder)) as reader:
        for frame in runs(reader.frames()):
            taken = _up_to(frame, until)
            if taken is not None:
                apply_frame(core, taken)
                ts_ns, epoch = taken.ts_ns, taken.epoch
            if taken is not frame:
                break
    if until is not None and core.last_seq < until:
        raise OperatorError(f"the journal in {folder} ends at command {core.last_seq}: --until {until} is behind it")
    took = time.monotonic() - started
    lines = [f"{core.last_seq:,} commands of {folder} replayed in {took:.1f} s"]
    if core.last_seq:
        when = datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        lines.append(f"as of command {core.last_seq}, {when}.{ts_ns % 1_000_000_000:09d} UTC, epoch {epoch}")
    for entry in core.instruments:
        lines += _book(core, entry.number)
    return "\n".join([*lines, "", f"state hash {core.state_hash()}"])


def _up_to(frame: Frame, until: int | None) -> Frame | None:
    """The part of the frame that is wanted, None where it lies behind."""
    if until is None or frame.last_seq <= until:
        return frame
    if frame.first_seq > until:
        return None
    assert frame.records is not None  # an administrative frame is one command
    size = until + 1 - frame.first_seq
    return frame._replace(size=size, records=frame.records[:size])


def _book(core: Core, number: int) -> list[str]:
    book = book_record(core, number, LEVELS, core.last_seq, 0)
    lines = ["", f"{book.symbol} ({book.phase})"]
    if not book.bids and not book.asks:
        return [*lines, "  no orders"]
    lines.append(f"  {'orders':>6} {'quantity':>12} {'bid':>12}   {'ask':<12} {'quantity':<12} {'orders':<6}")
    for level in range(max(len(book.bids), len(book.asks))):
        left, right = " " * 32, ""
        if level < len(book.bids):
            price, quantity, orders = book.bids[level]
            left = f"{orders:>6} {quantity:>12} {price:>12}"
        if level < len(book.asks):
            price, quantity, orders = book.asks[level]
            right = f"{price:<12} {quantity:<12} {orders:<6}"
        lines.append(f"  {left}   {right}".rstrip())
    return lines
