"""The hashes of the topics' records: what they are, and that they go on where they were after any end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

import pytest
from confluent_kafka import Producer

from engine import messages, topics
from streams.chain import START, chained
from streams.consumer import place, read_to_end
from streams.hashes import TOPIC, last_hashes
from tests.streams import servers
from tests.streams.servers import OurProcess, wait_for

HASHED = [topic.name for topic in topics.HASHED]


def test_the_chain_is_what_its_page_says() -> None:
    first = blake2b(bytes(16) + b"\1\0\0\0" + b"\2\0\0\0" + b"k" + b"vv", digest_size=16).digest()
    assert chained(START, b"k", b"vv") == first
    assert chained(first, b"kv", b"v") != chained(first, b"k", b"vv"), "where a key ends is part of it"


def written(bootstrap: str, name: str, number: int) -> list[tuple[bytes, bytes]]:
    return [
        (message.key() or b"", message.value() or b"")
        for batch in read_to_end(bootstrap, {(name, number): None})
        for message in batch
    ]


def published(bootstrap: str) -> list[messages.StateHash]:
    return [record for record in servers.records(bootstrap, topics.STATE_HASHES) if record.kind == "records"]


@pytest.fixture
def bootstrap(kafka: str) -> Iterator[str]:
    """The broker with empty topics, and without what the test has written into them at the end."""
    servers.fresh_topics(kafka)
    yield kafka
    servers.fresh_topics(kafka)


@pytest.mark.faults
@pytest.mark.integration
def test_every_published_hash_is_that_of_the_log_whatever_was_killed_when(bootstrap: str, tmp_path: Path) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    number = 0

    def write(count: int) -> None:
        nonlocal number
        for _ in range(count):
            number += 1
            name = HASHED[number % len(HASHED)]
            producer.produce(name, b"value %d" % number, b"key %d" % (number % 50))
        producer.flush()

    @contextmanager
    def process() -> Iterator[OurProcess]:
        with OurProcess("streams.hashes", tmp_path / "hashes.log", repr(bootstrap)) as started:
            started.wait_ready()
            yield started

    write(300)
    for _ in range(2):
        with process() as running:
            before = len(published(bootstrap))
            write(500)  # after the count: whatever was published until then is not of these
            wait_for(lambda before=before: len(published(bootstrap)) > before, "a hash")
            running.kill()
        write(200)
    with process() as running:
        assert running.stop() == 0

    seen = set()
    for record in published(bootstrap):
        for partition, (offset, hashed) in enumerate(zip(record.offsets, record.hashes, strict=True)):
            chain = START
            for key, value in written(bootstrap, record.topic, partition)[:offset]:
                chain = chained(chain, key, value)
            assert chain.hex() == hashed, f"{record.topic}/{partition} at {offset}"
            seen.add((record.topic, partition))
    assert {name for name, _ in seen} == set(HASHED)
    last = last_hashes(bootstrap)
    ends = {(name, partition): end for name, record in last.items() for partition, end in enumerate(record.offsets)}
    for batch in read_to_end(bootstrap, dict.fromkeys(ends)):
        for message in batch:
            topic, partition, offset = place(message)
            assert offset < ends[topic, partition], "the last hash holds all that was written"
    assert TOPIC not in HASHED
