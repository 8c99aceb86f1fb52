"""The disk quota, divided: for the journal, for each partition of each topic, and for the history in Postgres."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Final, NamedTuple

from engine import topics
from engine.journal import SEGMENT_BYTES
from infra.errors import OperatorError
from infra.settings import Settings

GIGABYTE: Final = 10**9
MEBIBYTE: Final = 1 << 20
JOURNAL: Final = 0.25
TOPICS: Final = 0.5
TABLES: Final = 0.25
WEIGHTS: Final[Mapping[topics.Topic, int]] = {
    topics.ORDERS: 6,
    topics.COMMANDS: 10,
    topics.ORDER_EVENTS: 14,
    topics.FILLS: 10,
    topics.TRADES: 4,
    topics.POSITIONS: 6,
    topics.PNL: 8,
    topics.CANDLES: 2,
    topics.ORDER_FLOW: 1,
    topics.ALERTS: 1,
    topics.STATE_HASHES: 1,
    topics.AUDIT: 2,
    topics.SIGNALS: 1,
    topics.STRATEGY_EVENTS: 2,
    topics.DEAD_LETTERS: 1,
}
"""By the bytes that an order leaves in each. Compacted topics hold the latest of each key, and `corporate-actions` a
few records that every later position is computed with: they have no part."""
SEGMENTS_OF_JOURNAL: Final = 4
"""Beyond what is not published: the one that is written, and those that wait for the next snapshot."""
PARTITION_MIN: Final = 8 * MEBIBYTE
PIECES: Final = 4
"""Segments of a partition: Kafka lets whole ones go, and keeps up to one more than it was told."""
PIECE_MAX: Final = 1 << 30


class Kept(NamedTuple):
    """Of each partition of a topic, in bytes."""

    retention: int
    segment: int


class Division(NamedTuple):
    """In bytes."""

    journal: int
    topics: dict[str, Kept]
    tables: int


def divide(quota_gb: float, partitions: int, max_unpublished_mb: int) -> Division:
    """Raises `OperatorError` where a part would be too small for what is in flight."""
    quota = int(quota_gb * GIGABYTE)
    journal = int(quota * JOURNAL)
    needed = (max_unpublished_mb << 20) + SEGMENTS_OF_JOURNAL * SEGMENT_BYTES
    if journal < needed:
        raise OperatorError(
            f"HFT_DISK_QUOTA_GB={quota_gb:g} leaves the journal {journal / GIGABYTE:.1f} GB, and "
            f"HFT_MAX_UNPUBLISHED_MB={max_unpublished_mb} of it may wait for Kafka: take "
            f"{ceil(needed / JOURNAL / GIGABYTE)} or more, or fewer megabytes"
        )
    kept = {}
    for topic, weight in WEIGHTS.items():
        share = int(quota * TOPICS * weight / sum(WEIGHTS.values())) // (1 if topic.single else partitions)
        if share < PARTITION_MIN:
            least = PARTITION_MIN * partitions * sum(WEIGHTS.values()) / min(WEIGHTS.values()) / TOPICS
            raise OperatorError(
                f"HFT_DISK_QUOTA_GB={quota_gb:g} is too small for {partitions} partitions of each topic "
                f"(HFT_PARTITIONS): take {ceil(least / GIGABYTE)} or more"
            )
        segment = min(share // PIECES, PIECE_MAX)
        kept[topic.name] = Kept(share - segment, segment)
    return Division(journal, kept, int(quota * TABLES))


def division(settings: Settings) -> Division | None:
    """None without a quota. Raises `OperatorError`."""
    if not settings.disk_quota_gb:
        return None
    if not settings.snapshot_seconds:
        raise OperatorError("HFT_DISK_QUOTA_GB lets go of what is in a snapshot, and HFT_SNAPSHOT_SECONDS=0 takes none")
    return divide(settings.disk_quota_gb, settings.partitions, settings.max_unpublished_mb)
