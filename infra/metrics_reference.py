"""docs/metrics.md: every metric of ours, made from their declarations. `make docs` writes it, a test keeps it fresh."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Final, cast

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

import engine.tally
import streams.metrics
from engine.durations import Durations
from engine.metrics import EngineGauges, PublisherGauges
from gateway.figures import Figures
from gateway.hub import Hub
from gateway.metrics import Metrics
from gateway.state import State
from infra.metrics import watch_garbage

PAGE: Final = Path(__file__).parent.parent / "docs" / "metrics.md"

HEAD: Final = """# Metrics

Every process tells Prometheus how it is doing, at `/metrics` of a port of its own on loopback. `hft up` gives each a
free port and says which in `VAR/run/metrics`, a file for each process, in the format of Prometheus' file discovery:

    scrape_configs:
      - job_name: hft
        file_sd_configs: [{files: [/path/to/var/run/metrics/*.json]}]

With `HFT_METRICS_PORT=9200` they have fixed ports instead: engine 9200, publisher 9201, schedule 9202, streams 9203,
sink-postgres 9204, sink-redis 9205, hashes 9206, audit 9207, gateway 9208, market 9209, alpaca 9210, venue 9211, and
further Faust workers from 9212, further gateways from 9275 on. `HFT_METRICS_HOST` is their address: whoever reaches
it reads positions and P&L of all accounts, without a token. The gateway's own port has `/metrics` too, with what it
counts of requests and streams, and nothing of anybody's account.

    curl -s http://$(grep -o '127[0-9.:]*' var/run/metrics/engine.json)/metrics

Without a Prometheus, `hft status` and `hft top` read the same numbers. Dashboards and alert rules for Grafana and
Prometheus are in `dashboards/grafana` ([grafana](grafana.md)).

## The legs of an order's way

`hft_order_leg_seconds` is a histogram for each leg, with buckets from 1 µs to 13 s, each at most half as long again as
the one before. A leg of a batch counts for each of its commands. The first five are measured by the engine's monotonic
clock, the rest by the wall clock: from the stamp that the command got when it was sequenced.

| leg | from | to |
|---|---|---|
| `ingress_to_sequenced` | the engine's thread sees what has arrived at a door | it has a number and a time |
| `sequenced_to_journaled` | … | it is written to the journal |
| `journaled_to_synced` | … | the disk has it, where that was asked for (a batch counts once) |
| `journaled_to_matched` | written | checked and matched |
| `ingress_to_matched` | the engine's thread sees it | checked and matched: what the engine adds to a round trip |
| `sequenced_to_published` | stamped | Kafka has acknowledged all records that follow from it |
| `sequenced_to_positions` | stamped | Kafka has acknowledged the position that its fill led to |
| `sequenced_to_sse`, `sequenced_to_websocket` | stamped | the order's change was handed to a client's connection |

What the engine's thread notes costs it about a microsecond a batch, on a slow processor. A scrape takes its
interpreter for about a millisecond, since Python runs one thread at a time: scrape every 5 seconds, not every 100 ms.

## All of them

Counters start at 0 with their process, so look at `rate()` and `increase()`. Their names end in `_total`, those of a
histogram's parts in `_bucket`, `_sum` and `_count`. What `prometheus_client` tells of Python and of the process itself
(`process_cpu_seconds_total`, `process_resident_memory_bytes`, `python_gc_…`) comes on top.

| metric | type | labels | what it is |
|---|---|---|---|
"""


def registry() -> CollectorRegistry:
    """All metrics of all processes, with nothing in them. Once in a process."""
    assert engine.tally.ORDERS
    assert streams.metrics.RECORDS
    EngineGauges(PAGE)
    PublisherGauges(lambda: 0, lambda: 0)
    streams.metrics.AuditGauges()
    watch_garbage()
    REGISTRY.register(Metrics().registry)
    REGISTRY.register(Figures(cast(Hub, SimpleNamespace(state=State()))))
    return REGISTRY


def rows(of: CollectorRegistry) -> list[tuple[str, str, str, str]]:
    """(name, type, labels, what it is), by name."""
    labels = {
        collector.name: collector.label for collector in of._collector_to_names if isinstance(collector, Durations)
    }
    for collector in (*of._collector_to_names, *_inner(of)):
        if isinstance(collector, MetricWrapperBase):
            labels[collector._name] = ", ".join(collector._labelnames)
    found = []
    for family in of.collect():
        if family.name.startswith("hft_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            named = labels.get(family.name) or ", ".join(getattr(family, "_labelnames", ()))
            found.append((name, family.type, named, family.documentation))
    return sorted(found)


def _inner(of: CollectorRegistry) -> list[object]:
    """What is registered in the registries that are registered."""
    return [
        collector
        for inner in of._collector_to_names
        if isinstance(inner, CollectorRegistry)
        for collector in inner._collector_to_names
    ]


def markdown() -> str:
    return HEAD + "".join(
        f"| `{name}` | {kind} | {labels} | {text} |\n" for name, kind, labels, text in rows(registry())
    )


if __name__ == "__main__":
    PAGE.write_text(markdown())
