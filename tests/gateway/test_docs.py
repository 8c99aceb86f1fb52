"""docs/api.md names every route, feed and reason that the gateway has."""

from __future__ import annotations

import re
from pathlib import Path

from starlette.routing import Route

from gateway import bodies, channels, stream, subscriber, subscription
from gateway.app import Gateway
from gateway.operations import OPERATIONS
from gateway.options import Options

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def test_every_route_is_described_and_no_other(tmp_path: Path) -> None:
    nowhere = "127.0.0.1:1"
    gateway = Gateway(
        Options(
            f"tcp://{nowhere}",
            nowhere,
            f"postgresql://{nowhere}/x",
            f"redis://{nowhere}",
            "x" * 40,
            Path(),
            1,
            1,
            tmp_path,
        )
    )
    there = set()
    for route in gateway.routes():
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
        methods = route.methods or set() if isinstance(route, Route) else {"GET"}
        there |= {f"{method} {path}" for method in methods - {"HEAD"}}
    described = re.findall(r"^\| `((?:GET|POST|PUT|PATCH|DELETE) [^`]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(described) == sorted(there)
    # /ws is no HTTP, and the OpenAPI document has no word for it.
    assert sorted(f"{one.method} {one.path}" for one in OPERATIONS) == sorted(there - {"GET /ws"})


def test_numbers_and_names_are_those_of_the_code() -> None:
    text = PAGE.read_text()
    for feed in channels.FEEDS:
        assert f"`{feed.name}" in text or f"{feed.name}:AAPL" in text
    for reason in stream.WHY:
        assert reason in text
    assert f"at most {channels.LARGEST_SUBSCRIPTION}" in text
    assert f"more than {subscriber.QUEUE_EVENTS:,} of them" in text
    assert f"After {subscription.HEARTBEAT_S:.0f} s" in text
    assert f"at all for {stream.STALLED_S:.0f} s" in text
    assert f"{bodies.LARGEST_BODY // 1024} KiB" in text
