"""Rows as the text of a COPY: pure.

A row in JSON, its brackets left off, is a line of CSV whose quotes are escaped by a backslash, so msgspec writes the
lines, many times as fast as psycopg's `write_row`. Only JSON's other escapes mean nothing to Postgres and are undone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

Row = tuple[Any, ...]
"""Of texts, integers, booleans and None."""

OPTIONS: Final = "(FORMAT csv, NULL 'null', QUOTE '\"', ESCAPE '\\')"

_encode: Final = msgspec.json.Encoder().encode_lines
_OTHER: Final = re.compile(rb'\\[^"\\]')
_ESCAPE: Final = re.compile(rb"\\(?:u([0-9a-f]{4})|(.))")
_MEANING: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"/": b"/"}


def lines(rows: Sequence[Row]) -> bytes:
    """The rows for `COPY … FROM STDIN` with `OPTIONS`. A NUL is left for Postgres to refuse: it has no text for it."""
    # No text of JSON holds a line break as such: where one stands between brackets a row ends.
    block = _encode(rows)[1:-2].replace(b"]\n[", b"\n") + b"\n" if rows else b""
    return _ESCAPE.sub(_undone, block) if _OTHER.search(block) else block


def _undone(found: re.Match[bytes]) -> bytes:
    code, letter = found.groups()
    if code is not None:
        return chr(int(code, 16)).encode()
    return _MEANING.get(letter, found.group())
