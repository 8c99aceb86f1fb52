"""The partition of a key is the one that Kafka's Java client and librdkafka's `murmur2_random` choose."""

from __future__ import annotations

import pytest

from engine.partitions import murmur2, partition_of

# From org.apache.kafka.common.utils.UtilsTest.
VECTORS = [
    (b"21", -973932308),
    (b"foobar", -790332482),
    (b"a-little-bit-long-string", -985981536),
    (b"a-little-bit-longer-string", -1486304829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    (b"abc", 479470107),
]


@pytest.mark.parametrize(("key", "hashed"), VECTORS)
def test_the_hash_is_kafkas(key: bytes, hashed: int) -> None:
    assert murmur2(key) == hashed & 0xFFFFFFFF


def test_partitions_cover_the_count() -> None:
    assert {partition_of(f"account-{number}", 4) for number in range(100)} == {0, 1, 2, 3}
