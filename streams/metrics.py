"""What the readers of Kafka's topics tell Prometheus: agents, sinks, hashes and the audit (docs/metrics.md)."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.durations import BATCH_BUCKETS, Durations

RECORDS: Final = Counter("hft_consumer_records", "Kafka records read.", ("consumer",))
BATCH: Final = Histogram(
    "hft_consumer_batch_records", "Kafka records read at once.", ("consumer",), buckets=BATCH_BUCKETS
)
DEAD_LETTERS: Final = Counter("hft_dead_letters", "Records set aside since they could not be used.", ("topic",))

SINK_ROWS: Final = Counter("hft_sink_rows", "Rows, or keys, written by a sink.", ("sink",))
SINK_WRITES: Final = Durations("hft_sink_write_seconds", "How long a batch took to be written and committed.", "sink")
REGISTRY.register(SINK_WRITES)
SINK_LAG: Final = Gauge(
    "hft_sink_lag_seconds", "Age of the newest record that is in the store, where others wait; else 0.", ("sink",)
)
UNREAD: Final = Gauge(
    "hft_sink_unread_ratio",
    "Part of what a topic holds that the store has not read, where the topic lets go: at 1 the next records are lost.",
    ("sink", "topic"),
)
LOST: Final = Counter(
    "hft_sink_lost_records", "Records that a topic let go of before the store had them.", ("sink", "topic")
)

VENUE_UP: Final = Gauge("hft_venue_up", "Whether the stream of the venue's updates is connected.", ("venue",))
VENUE_ORDERS: Final = Gauge("hft_venue_open_orders", "Orders that work at the venue.", ("venue",))
VENUE_FILLS: Final = Counter("hft_venue_fills", "Fills of the venue that were booked.", ("venue",))
VENUE_DIFFERENCES: Final = Gauge(
    "hft_venue_differences", "Differences between the venue's account and our books, found last: 0.", ("venue",)
)


class Lags(Collector):
    """How far each consumer is behind the end of each of its topics. It is asked when somebody scrapes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers: weakref.WeakKeyDictionary[object, tuple[str, Callable[[], Mapping[str, int]]]] = (
            weakref.WeakKeyDictionary()
        )

    def follow(self, reader: object, consumer: str, lag: Callable[[], Mapping[str, int]]) -> None:
        """`lag` tells records by topic for as long as `reader` lives; it must not refer to it strongly."""
        with self._lock:
            self._readers[reader] = consumer, lag

    def forget(self, reader: object) -> None:
        with self._lock:
            self._readers.pop(reader, None)

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "hft_consumer_lag_records", "Kafka records not read yet.", labels=["consumer", "topic"]
        )
        found: dict[tuple[str, str], int] = {}
        with self._lock:
            for consumer, lag in self._readers.values():
                for topic, records in lag().items():
                    found[consumer, topic] = found.get((consumer, topic), 0) + records
        for labels, records in sorted(found.items()):
            family.add_metric(labels, records)
        yield family


LAGS: Final = Lags()
REGISTRY.register(LAGS)


class AuditGauges:
    """Made by the process that audits without end."""

    def __init__(self) -> None:
        self._differences = Gauge(
            "hft_audit_differences", "Differences between the topics, the engine and the stores, found last: 0."
        )
        self._in_flight = Gauge("hft_audit_in_flight", "Changes that a store did not have yet when it was asked.")
        self._compared = Counter("hft_audit_compared", "Changes found the same everywhere.")
        self._at = Gauge("hft_audit_timestamp_seconds", "When the last comparison ended, since the epoch.")
        self._known = 0

    def tell(self, differences: int, in_flight: int, compared: int, now_s: float) -> None:
        """`compared`: since the start."""
        self._differences.set(differences)
        self._in_flight.set(in_flight)
        self._compared.inc(compared - self._known)
        self._known = compared
        self._at.set(now_s)
