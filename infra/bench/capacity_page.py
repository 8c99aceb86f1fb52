"""The measured parts of docs/capacity.md, made from docs/capacity.json, which `hft bench capacity --json` writes.

`make docs` writes them between their markers, a test keeps them fresh: every sum is that of the rows above it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGE: Final = DOCS / "capacity.md"
MEASURED: Final = DOCS / "capacity.json"

BLOCK: Final = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)

TITLES: Final = {"Redis": "Redis: memory, for the hour that it keeps a closed order"}

SUM: Final = re.compile(r"all\b(?! that)|journal,")

COPIES: Final = 3
BROKER_MB: Final = 500
"""Megabytes a second that one broker writes."""


class Run:
    """One run of the benchmark, as its file has it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.conditions = document["conditions"]
        self.sizes = document["sizes"]
        self._figures = {name: figure["value"] for name, figure in document["figures"].items()}

    def figure(self, name: str) -> int:
        """Raises `KeyError` where the run has none of that name; a cost below the resolution is 0, as in every sum."""
        value = self._figures[name]
        return 0 if isinstance(value, str) else int(value)

    def shown(self, name: str) -> str:
        """With thousands apart; — where the run has none of that name."""
        value = self._figures.get(name, "—")
        return value if isinstance(value, str) else f"{value:,}"

    def named(self, prefix: str) -> list[str]:
        """What follows the prefix in each name that has it."""
        return [name.removeprefix(prefix) for name in self._figures if name.startswith(prefix)]


def conditions(found: Run) -> str:
    where, sizes = found.conditions, found.sizes
    machine = f"{where['cores']} cores ({where['processor']}), {where['system']}, Python {where['python']}"
    rests = " / ".join(f"{seconds:g}" for seconds in sizes["seconds without orders"])
    return (
        f"Measured on {machine}, load {where['load']:g} at the end, `HFT_MARKET={sizes['market']}`:\n"
        f"{sizes['orders by ZeroMQ']:,} orders by ZeroMQ, {sizes['of a frame']} a frame, "
        f"{found.shown('orders by ZeroMQ')} a second; {sizes['orders by REST']:,} by REST over {sizes['connections']}\n"
        f"connections, {found.shown('orders by REST')} a second; {rests} s without orders.\n"
    )


def table(head: str, rows: Iterable[tuple[str, ...]]) -> str:
    """Markdown; a row of a sum is bold."""
    lines = [head, "|---" * (head.count("|") - 1) + "|"]
    for row in rows:
        cells = [f"**{cell}**" for cell in row] if SUM.match(row[0]) else row
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def disk(found: Run) -> str:
    prefix = "bytes an order: "
    rows = []
    for name in found.named(prefix):
        kind, _, rest = name.partition(" ")
        title = f"{kind} `{rest}`" if kind in ("topic", "table") else TITLES.get(name, name)
        rows.append((title, found.shown(prefix + name)))
    whole = found.figure(prefix + "journal, topics and tables")
    copied = whole + (COPIES - 1) * found.figure(prefix + "all topics")
    return table("| of an order | bytes, one copy |", rows) + (
        f"\n**A gigabyte of disk** holds {found.shown('orders in a gigabyte of disk')} such orders; a million a day "
        f"are {whole / 1000:.1f} GB a day\nwith one copy of the topics and {copied / 1000:.1f} GB with {COPIES}.\n"
    )


def processor(found: Run) -> str:
    by_zeromq, by_rest = (f"processor, an order by {door}: " for door in ("ZeroMQ", "REST"))
    names = [*found.named(by_zeromq), *found.named(by_rest)]
    names = [*dict.fromkeys(name for name in names if name != "all"), "all"]
    head = (
        f"| processor time of an order, µs | by ZeroMQ, {found.sizes['of a frame']} a frame, "
        f"{found.shown('orders by ZeroMQ')} a second | by REST, one by one, {found.shown('orders by REST')} a second |"
    )
    return table(head, ((name, found.shown(by_zeromq + name), found.shown(by_rest + name)) for name in names))


def memory(found: Run) -> str:
    client = found.shown("memory of a client of the stream")
    rows = ((name, found.shown(f"memory: {name}")) for name in found.named("memory: "))
    text = f"A client of the event stream takes {client} bytes of the gateway.\n\n"
    return text + table("| process | MiB (PSS) |", rows)


def million(found: Run) -> str:
    journal, kept, whole = (
        found.figure(f"bytes an order: {name}") for name in ("journal", "all topics", "journal, topics and tables")
    )
    written = kept * COPIES
    brokers = -(-written // BROKER_MB)
    postgres, redis = (
        sum(found.figure(f"processor, an order by ZeroMQ: {part}") for part in (f"sink-{store}", store))
        for store in ("postgres", "redis")
    )
    rows = (
        ("journal", f"{journal:,} B", f"{journal:,} MB/s"),
        (
            "Kafka",
            f"{kept:,} B",
            f"{kept:,} MB/s in, {written:,} MB/s to disk with {COPIES} copies: "
            f"{brokers} brokers of {BROKER_MB} MB/s each",
        ),
        (
            "Postgres",
            f"{postgres:,} µs of sink and server",
            f"{postgres:,} cores at that cost: keep the last days of what is asked for, the rest is in the topics",
        ),
        ("Redis", f"{redis:,} µs of sink and server", f"{redis:,} cores, one Redis a shard"),
        ("all that is kept", f"{whole:,} B", f"{whole / 1000:.1f} GB/s, {whole * 3600 / 1e6:.0f} TB an hour"),
    )
    return table("| part | an order | a million orders a second |", rows)


BLOCKS: Final = {
    "conditions": conditions,
    "disk": disk,
    "processor": processor,
    "memory": memory,
    "million": million,
}


def renewed(page: str, document: dict[str, Any]) -> str:
    """The page with its measured parts from this run."""
    found = Run(document)
    return BLOCK.sub(lambda block: block[1] + "\n" + BLOCKS[block[2]](found) + "\n" + block[3], page)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(), json.loads(MEASURED.read_text())))
