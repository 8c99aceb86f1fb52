"""What a table of the history is to the sink: its columns, the rows that messages become, and how a batch of them is
merged. Pure: text and tuples.

A batch is copied into a temporary table `staged_NAME` and merged from there. Rows carry the wire's decimal texts, which
Postgres reads exactly. `docs/sql.md` has the same mapping for people.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from streams.sinks import copy
from streams.sinks.copy import Row

SHARD_SHIFT: Final = 58
SEQ_SHIFT: Final = 20
SHARDS: Final = 32
SEQS: Final = 1 << SHARD_SHIFT - SEQ_SHIFT
INDEXES: Final = 1 << SEQ_SHIFT


def moment(column: str) -> str:
    """The SQL of a nanosecond column as `timestamptz`. It is what `from_ns` of the schema says, which Postgres cannot
    inline, so that a call costs more than the rest of a narrow row."""
    return f"timestamptz 'epoch' + ({column} / 1000) * interval '1 microsecond'"


TIMESTAMP: Final = (("timestamp", moment("ts_ns")),)


class Placed(NamedTuple):
    """A decoded record and where it was read."""

    partition: int
    offset: int
    record: Any


class Table(NamedTuple):
    name: str
    columns: tuple[str, ...]
    """Of the staging table, in the order of a row."""
    rows: Callable[[list[Placed]], list[Row]]
    merge: tuple[str, ...]
    """Statements that take the staged rows over."""

    @property
    def staged(self) -> str:
        return f"staged_{self.name}"

    @property
    def create(self) -> str:
        columns = ", ".join(self.columns)
        return f"CREATE TEMP TABLE {self.staged} ON COMMIT DELETE ROWS AS SELECT {columns} FROM {self.name} WHERE false"

    @property
    def copy(self) -> str:
        return f"COPY {self.staged} ({', '.join(self.columns)}) FROM STDIN {copy.OPTIONS}"


def report_id(identity: str) -> int:
    """The number of a fill or trade from its `shard.epoch.seq.index`: ascending with (seq, index) within a shard.

    Raises `ValueError` where the text is not made like that."""
    head, _, middle, tail = identity.split(".")
    shard, seq, index = int(head), int(middle), int(tail[1:] if tail.startswith("m") else tail)
    if not (0 <= shard < SHARDS and 0 < seq < SEQS and 0 <= index < INDEXES):
        raise ValueError(f"{identity!r} is out of range")
    return shard << SHARD_SHIFT | seq << SEQ_SHIFT | index


def insert(name: str, columns: tuple[str, ...], extra: tuple[tuple[str, str], ...], conflict: str) -> str:
    """The statement that takes the staged rows over; `extra` are columns made by an expression."""
    names = ", ".join((*columns, *(column for column, _ in extra)))
    values = ", ".join((*columns, *(expression for _, expression in extra)))
    return f"INSERT INTO {name} ({names}) SELECT {values} FROM staged_{name} {conflict}"
