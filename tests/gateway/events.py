"""A reader of server-sent events, for tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx

LIMIT = 10_000
"""Events that a test reads at most before it gives up."""


class ServerEvent(NamedTuple):
    event: str
    data: Any
    id: str


class Stream:
    """The events of one connection. `last_id` is what a browser would resume from."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.last_id = ""
        self._lines = answer.iter_lines()

    def __iter__(self) -> Iterator[ServerEvent]:
        name, data, number = "message", "", None
        for line in self._lines:
            if line == "":
                self.last_id = self.last_id if number is None else number
                if data:
                    yield ServerEvent(name, json.loads(data), self.last_id)
                name, data, number = "message", "", None
            elif not line.startswith(":"):
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    data += value
                elif field == "id":
                    number = value

    def heartbeat(self) -> str:
        """The position that the next heartbeat tells; no event may come before it."""
        assert next(self._lines) == ": heartbeat"
        name, _, self.last_id = next(self._lines).partition(": ")
        assert (name, next(self._lines)) == ("id", "")
        return self.last_id

    def until(self, wanted: Callable[[ServerEvent], bool]) -> list[ServerEvent]:
        """The events up to and with the first that is wanted."""
        seen: list[ServerEvent] = []
        for event in self:
            seen.append(event)
            if wanted(event):
                return seen
            assert len(seen) < LIMIT, "the event that was waited for did not come"
        raise AssertionError(f"the stream ended after {seen}")

    def snapshots(self, count: int) -> dict[str, list[Any]]:
        """The next `count` events, which must be snapshots: topic → records."""
        found: dict[str, list[Any]] = {}
        for event in self:
            assert event.event == "snapshot", event
            found[event.data["topic"]] = event.data["records"]
            if len(found) == count:
                return found
        raise AssertionError(f"the stream ended after the snapshots of {sorted(found)}")


@contextmanager
def stream(client: httpx.Client, *topics: str, last_id: str = "") -> Iterator[Stream]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with client.stream("GET", "/api/stream", params={"topics": ",".join(topics)}, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        yield Stream(answer)
