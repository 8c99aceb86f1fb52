"""`hft bench capacity` against the running system: figures of every part, none below nothing, sums that add up."""

from __future__ import annotations

from infra.bench.capacity import run
from tests.system import System

DOORS = ("ZeroMQ", "REST")


def test_what_an_order_costs_each_part(system: System) -> None:
    found = run(system.settings, 1000, 100, 1000, 5, 1.0, lambda _: None)
    figures = {figure.name: figure.value for figure in found.figures}

    def amounts(prefix: str) -> dict[str, int]:
        """By what follows the prefix; what is below the resolution is nothing."""
        named = {name.removeprefix(prefix): value for name, value in figures.items() if name.startswith(prefix)}
        return {name: 0 if str(value).startswith("below ") else int(value) for name, value in named.items()}

    assert all(value >= 0 for value in amounts("").values())
    size = amounts("bytes an order: ")
    for kind in ("topic", "table"):
        assert size[f"all {kind}s"] == sum(value for name, value in size.items() if name.startswith(f"{kind} "))
    assert size["journal, topics and tables"] == size["journal"] + size["all topics"] + size["all tables"]
    for name in ("journal", "topic commands", "topic order-events", "topic fills", "table order_events", "Redis"):
        assert size[name] > 50, name
    services = {service.name for service in system.state.services}
    for prefix in (*(f"processor, an order by {door}: " for door in DOORS), "memory: "):
        parts = amounts(prefix)
        assert parts.pop("all") == sum(parts.values()) > 0
        assert parts.keys() <= services
    assert amounts("memory: ").keys() == services | {"all"}
