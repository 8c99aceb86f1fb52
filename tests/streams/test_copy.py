"""Rows as COPY text: what Postgres reads back is what was written, whatever the texts hold."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sinks.copy import OPTIONS, Row, lines

TEXTS = [
    "",
    "null",
    "\\.",
    "\\N",
    'say "so", he said',
    "a\tb\nc\rd\be\ff/g",
    "]\n[",
    '\\n \\\\ \\" \\u0041',
    "\x01\x1f\x7f\u2028 µ 中 🜚",
    "[1,2]",
    " spaces ",
]


def test_no_rows() -> None:
    assert lines([]) == b""


@pytest.mark.integration
def test_every_text_comes_back(postgres_dsn: str) -> None:
    rows: list[Row] = [(number, text, None, number % 2 == 0, "1.50") for number, text in enumerate(TEXTS)]
    rows += [(len(rows), None, "x", None, None)]
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("CREATE TEMP TABLE back (a bigint, b text, c text, d boolean, e numeric)")
        with connection.cursor().copy(f"COPY back FROM STDIN {OPTIONS}") as copy:
            copy.write(lines(rows))
        found = connection.execute("SELECT a, b, c, d, e::text FROM back ORDER BY a").fetchall()
    assert found == rows


@given(st.lists(st.tuples(st.one_of(st.none(), st.integers(), st.booleans(), st.text())), max_size=5))
def test_as_many_lines_as_rows_outside_of_quotes(rows: list[Row]) -> None:
    """As Postgres reads CSV: within quotes a backslash keeps what follows from ending them."""
    quoted, ended, kept = False, 0, False
    for character in lines(rows).decode():
        if kept:
            kept = False
        elif quoted and character == "\\":
            kept = True
        elif character == '"':
            quoted = not quoted
        elif character == "\n" and not quoted:
            ended += 1
    assert (ended, quoted) == (len(rows), False)
