"""JSON as browsers get it: every `*_ns` field is a decimal string, since it lies beyond 2^53."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from starlette.responses import Response

STAMP: Final = b'_ns":'
NANOSECONDS: Final = re.compile(rb'(_ns":)(-?[0-9]+)')
"""An unescaped quote only stands at the end of a key here: within a text it would be preceded by a backslash."""


def quoted(data: bytes) -> bytes:
    """JSON bytes with their nanosecond stamps as strings."""
    return NANOSECONDS.sub(rb'\1"\2"', data) if STAMP in data else data


def encoded(value: Any) -> bytes:
    """Any message, or builtin that holds messages, as JSON bytes for a browser."""
    return quoted(msgspec.json.encode(value))


def listed(name: str, records: Iterable[bytes], rest: bytes = b"") -> bytes:
    """`{"name":[record, …]}` of records that are JSON bytes already; `rest` is what follows the list."""
    return b'{"' + name.encode() + b'":[' + b",".join(records) + b"]" + rest + b"}"


def reply(content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response; what it says is the caller's own and changes, so nobody stores it."""
    return Response(content, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")
