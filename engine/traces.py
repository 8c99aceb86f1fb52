"""The trace of an order: the ids of the W3C Trace Context, a pure function of its account and client_order_id.

So every process names the same trace without being told, also after a restart, and neither the journal nor a message
has a field for it. A client that traces sets the ids itself: a client_order_id of 32 hexadecimal digits is the trace
id, of 48 the trace id and the span id (https://www.w3.org/TR/trace-context/#traceparent-header). Otherwise both come
from a hash.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Final

HEADER: Final = "traceparent"
"""Of HTTP and of Kafka's records."""
GIVEN: Final = re.compile(r"(?!0{32})([0-9a-f]{32})((?!0{16})[0-9a-f]{16})?")
TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})-[0-9a-f]{2}(-.*)?"
)
TRACE_BYTES: Final = 16
SPAN_BYTES: Final = 8
TRACE_DIGITS: Final = 2 * TRACE_BYTES
GIVEN_DIGITS: Final = (TRACE_DIGITS, TRACE_DIGITS + 2 * SPAN_BYTES)
MOST_KEPT: Final = 100_000
"""Orders whose header is remembered; then all are forgotten."""


def traceparent(account: str, client_order_id: str) -> str:
    """The header of an order's records; empty where there is no client_order_id."""
    if not client_order_id:
        return ""
    hashed = blake2b(f"{account}\0{client_order_id}".encode(), digest_size=TRACE_BYTES + SPAN_BYTES).hexdigest()
    trace, span = hashed[:TRACE_DIGITS], hashed[TRACE_DIGITS:]
    if len(client_order_id) in GIVEN_DIGITS and (given := GIVEN.fullmatch(client_order_id)):
        trace, span = given[1], given[2] or span
    return f"00-{trace}-{span}-01"


def trace_id(account: str, client_order_id: str) -> str:
    """32 hexadecimal digits; empty where there is no client_order_id."""
    return traceparent(account, client_order_id)[3:35]


def carried(header: str) -> str | None:
    """The client_order_id that carries the ids of a `traceparent`; None where it is none."""
    found = TRACEPARENT.fullmatch(header.strip())
    return None if found is None else found["trace"] + found["span"]


def trace_of(header: str) -> str:
    """The trace id of a `traceparent`; empty where it is none."""
    found = TRACEPARENT.fullmatch(header.strip())
    return "" if found is None else found["trace"]


class Traces:
    """The headers of many orders, each made once: an order has several records."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, bytes], bytes] = {}

    def headers(self, accounts: Iterable[str], client_order_ids: Iterable[bytes]) -> list[bytes]:
        """As bytes, one for each pair."""
        kept = self._kept
        if len(kept) > MOST_KEPT:
            kept.clear()
        found = []
        for key in zip(accounts, client_order_ids, strict=True):
            header = kept.get(key)
            if header is None:
                header = kept[key] = traceparent(key[0], key[1].decode()).encode()
            found.append(header)
        return found


def of_headers(headers: Any) -> bytes:
    """The `traceparent` among a record's headers as it stands there; empty where there is none."""
    for name, value in headers or ():
        if name == HEADER and isinstance(value, bytes):
            return value
    return b""


def for_log(header: str | bytes) -> dict[str, str]:
    """What a line of a log that speaks of one order takes as `extra`: its trace id, by a `traceparent`."""
    return {"trace": trace_of(header.decode("ascii", "replace") if isinstance(header, bytes) else header)}
