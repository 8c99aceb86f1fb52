"""`hft bench engine`: the matcher on the common stream, beside the prototype."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from infra.bench import book_alone, whole_core
from infra.bench.commands_of import ACCOUNTS
from infra.bench.cycles import check_machine
from infra.bench.figures import Figure, Result, middle
from infra.bench.prototype import Prototype
from infra.bench.stream import BOOKS, Stream, make

FIRST_SEQ: Final = 3 * ACCOUNTS + 2
"""After the instrument and the three commands that set up each account."""


def run(
    folder: Path, operations: int, pairs: int, seed: int, max_orders: int, by_order_id: bool, say: Callable[[str], None]
) -> Result:
    """Raises `OperatorError` where a program of the bench folder fails."""
    check_machine()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="hft-bench-") as scratch:
        for book in BOOKS:
            say(f"making the stream: {book}")
            stream = make(folder, book, operations, seed, Path(scratch))
            figures += _book(stream, folder, pairs, say)
            figures += _core(stream, pairs, max_orders, by_order_id, say)
    return Result(
        "The engine on the common order stream",
        {
            "operations": operations,
            "seed": seed,
            "medians of interleaved pairs": pairs,
            "core: commands a batch": whole_core.BATCH,
            "core: accounts": ACCOUNTS,
            "core: room for orders": max_orders,
            "core: cancels name": "order_id" if by_order_id else "client_order_id",
        },
        figures,
    )


def _book(stream: Stream, folder: Path, pairs: int, say: Callable[[str], None]) -> list[Figure]:
    prototype = Prototype(folder, stream)
    prototype.speed()  # compiles
    prototype.latency()
    rates, ratios, agreed = [], [], True
    ours, theirs = [], []
    for number in range(1, pairs + 1):
        say(f"{stream.book}, the book alone: pair {number} of {pairs}")
        their_rate = prototype.speed()
        measured = book_alone.speed(stream)
        agreed &= measured.made == stream.expected
        rates.append(measured.operations_per_s)
        ratios.append(measured.operations_per_s / their_rate)
        theirs.append(prototype.latency())
        ours.append(book_alone.latency(stream))
    name = f"{stream.book}, book alone:"
    latencies = [
        Figure(f"{name} {part}, {whose}", middle([getattr(item, field) for item in found]), "ns")
        for whose, found in (("ours", ours), ("prototype", theirs))
        for part, field in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999"))
    ]
    return [
        Figure(f"{name} trades, quantity, resting orders", agreed),
        Figure(f"{name} operations", middle(rates), "/s"),
        Figure(f"{name} an operation, mean", 1e9 / middle(rates), "ns"),
        *latencies,
        Figure(f"{name} speed to the prototype's", middle(ratios), "×"),
    ]


def _core(stream: Stream, pairs: int, max_orders: int, by_order_id: bool, say: Callable[[str], None]) -> list[Figure]:
    records = whole_core.stream_commands(stream, FIRST_SEQ, by_order_id=by_order_id)
    found = []
    for number in range(1, pairs + 1):
        say(f"{stream.book}, the whole core: run {number} of {pairs}")
        found.append(whole_core.speed(stream, records, max(max_orders, stream.room)))
    rate = middle([item.commands_per_s for item in found])
    parts = {part: middle([float(np.percentile(item.batch_ns, part)) for item in found]) for part in (50, 99)}
    name = f"{stream.book}, whole core:"
    return [
        Figure(f"{name} trades, quantity, resting orders", all(item.made == stream.expected for item in found)),
        Figure(f"{name} commands", rate, "/s"),
        Figure(f"{name} a command, mean", 1e9 / rate, "ns"),
        *(Figure(f"{name} a command, p{part} of the batches", value, "ns") for part, value in parts.items()),
        Figure(f"{name} reports a command", found[0].reports / len(stream.measured)),
    ]
