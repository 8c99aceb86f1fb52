"""The positions made anew from all fills, and everybody going on with those: `hft rebuild positions`.

The workers make them, as they would after the loss of their state: this asks them to end, says where the next version
begins once none of them writes any more, and waits until they have come to the end of the fills."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from engine import kafka, messages, topics
from engine.quiet import LIBRDKAFKA
from streams import state, versions
from streams.agents.positions import PositionKeeper
from streams.consumer import Cursor, log_bounds
from streams.outbox import Outbox

GROUP: Final = "streams"
"""The consumer group of the workers."""
POLL_S: Final = 0.25
ANSWER_S: Final = 10.0
END_S: Final = 60.0
"""A worker that is asked to end is a member of the group until its session is over, some seconds."""
SETTLE_S: Final = 30.0
"""How long the topics may take to rest before the audit that follows."""
IDLE_S: Final = 120.0
"""No worker has got any further for so long."""
MADE_FROM_IT: Final = (topics.PNL.name,)


class RebuildError(RuntimeError):
    """The positions cannot be made anew; the text says why, and what is to be done."""


class Rebuilt(NamedTuple):
    version: int
    fills: int
    """Records of `fills` that were counted again."""


def rebuild(bootstrap: str, progress: Callable[[int, int], None]) -> Rebuilt:
    """Makes the next version of `positions`; `progress` is told how many fills of how many have been read. Raises
    `RebuildError`, and `KafkaException` where Kafka fails."""
    fills = log_bounds(bootstrap, [topics.FILLS.name])
    for (name, number), (low, _) in fills.items():
        if low:
            raise RebuildError(
                f"{name}/{number} begins at offset {low}: what was before it has been deleted, so that positions "
                "cannot be made from nothing (the topic's retention.ms)"
            )
    outbox = Outbox(bootstrap, "rebuild")
    try:
        version = _begin(bootstrap, outbox)
    finally:
        outbox.close()
    total = sum(end for _, end in fills.values())
    _wait_counted(bootstrap, version, {partition: end for partition, (_, end) in fills.items()}, total, progress)
    return Rebuilt(version.version, total)


def _begin(bootstrap: str, outbox: Outbox) -> messages.TopicVersion:
    """The next version, which begins where nobody writes. Where that cannot be, the one before goes on."""
    before = versions.present(bootstrap)
    _announce(outbox, before, stopping=True)
    try:
        limit = time.monotonic() + END_S
        while members := _members(bootstrap):
            if time.monotonic() > limit:
                raise RebuildError(
                    f"{members} streams workers still write positions after {END_S:.0f} s: stop them, then run it again"
                )
            time.sleep(POLL_S)
        after = {name: _ends(bootstrap, name) for name in MADE_FROM_IT}
        begins = _ends(bootstrap, before.topic)
    except BaseException:
        _announce(outbox, before, stopping=False)
        raise
    following = msgspec.structs.replace(before, version=before.version + 1, begins=begins, after=after)
    return _announce(outbox, following, stopping=False)


def _announce(outbox: Outbox, version: messages.TopicVersion, *, stopping: bool) -> messages.TopicVersion:
    record = msgspec.structs.replace(version, stopping=stopping, ts_ns=max(time.time_ns(), version.ts_ns + 1))
    outbox.send(topics.TOPIC_VERSIONS.name, record.topic, messages.as_json(record), 0)
    outbox.delivered()
    return record


def _members(bootstrap: str) -> int:
    """Workers that the group has."""
    admin = AdminClient(kafka.configuration(bootstrap), logger=LIBRDKAFKA)
    described = admin.describe_consumer_groups([GROUP], request_timeout=ANSWER_S)
    try:
        return len(described[GROUP].result(ANSWER_S).members)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return 0  # no worker has ever run here
        raise


def _ends(bootstrap: str, topic: str) -> list[int]:
    bounds = log_bounds(bootstrap, [topic])
    return [bounds[topic, number][1] for number in range(len(bounds))]


def _wait_counted(
    bootstrap: str, version: messages.TopicVersion, ends: Cursor, total: int, progress: Callable[[int, int], None]
) -> None:
    """Until the workers have saved that they have counted all fills up to `ends`."""
    name = f"{PositionKeeper.agent}@{version.version}"
    count = len(log_bounds(bootstrap, [state.TOPIC]))
    numbers = {number for _, number in ends}
    last, since = 0, time.monotonic()
    while True:
        saved = state.load(bootstrap, count, name, numbers, version.topic)
        read = sum(min(saved[number].next_offset or 0, end) for (_, number), end in ends.items())
        progress(read, total)
        if read >= total:
            return
        if read > last:
            last, since = read, time.monotonic()
        if time.monotonic() - since > IDLE_S:
            raise RebuildError(
                f"version {version.version} has begun, but no streams worker has counted a fill for {IDLE_S:.0f} s: "
                "start one (hft status), which makes the rest of it"
            )
        time.sleep(POLL_S)
