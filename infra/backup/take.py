"""`hft backup`: copies what the system keeps while it runs, so that the copy is one that a crash could have left.

The order makes it so. Tables follow the topics, the agents' state follows their output, that follows the events, and
these follow the journal, which follows the topic `orders`. Each is copied before what it was made from: the copy of a
source is never behind what was made of it. What a restored process has not done yet it does when it starts, as after
any crash.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from confluent_kafka import KafkaException

from engine import topics
from engine.messages import AuditLink, TopicVersion
from engine.segments import JournalError
from engine.topics import Topic
from infra.backup import journal, log, manifest, servers, tables
from infra.backup.manifest import Manifest, TopicPart
from infra.backup.parts import Parts
from infra.errors import OperatorError
from infra.folders import Folders, folders
from infra.settings import Settings
from streams import versions
from streams.consumer import log_bounds, read_to_end

ORDER: Final[tuple[tuple[Topic, ...], ...]] = (
    (topics.STATE_HASHES, topics.TOPIC_VERSIONS),
    (topics.LEDGER_STATE, topics.STRATEGY_STATE),
    (topics.STRATEGY_EVENTS, topics.PNL, topics.CANDLES, topics.ORDER_FLOW, topics.ALERTS),
    (topics.POSITIONS, topics.SIGNALS, topics.DEAD_LETTERS),
    (topics.BOOKS, topics.INSTRUMENTS, topics.ACCOUNTS),
    (topics.FILLS, topics.TRADES, topics.ORDER_EVENTS, topics.CORPORATE_ACTIONS, topics.COMMANDS),
)
"""Topics of one line do not follow from each other; each follows from those of later lines. The topic `audit` and its
files come after them, then the journal, then the topic `orders`."""

_link: Final = msgspec.json.Decoder(AuditLink)

Say = Callable[[str], None]


class _Bounds(NamedTuple):
    topic: Topic
    partitions: dict[int, tuple[int, int | None]]


def backup(settings: Settings, target: Path, say: Say) -> Manifest:
    """Writes a backup to the folder `target`, which gets its name when it is whole. Raises `OperatorError`."""
    where = folders(settings.var)
    target = target.expanduser().absolute()
    new = target.with_name(f".{target.name}.unfinished")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OperatorError(f"{target} is not empty: name a folder that is not there yet")
    try:
        new.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise OperatorError(
            f"{new} is there: another backup is being written, or one was killed; then remove that folder"
        ) from None
    except OSError as error:
        raise OperatorError(f"{new} cannot be written ({error.strerror}): name another folder") from None
    try:
        with (
            servers.running(settings, where),
            one_version(lambda: versions.present(settings.bootstrap)),
        ):
            found = _take(settings, where, Parts(new), say)
        _finish(new, target)
    except KafkaException as error:
        cause = error.args[0].str()
        raise OperatorError(
            f"Kafka at {settings.bootstrap}: {cause}: hft up starts it, HFT_KAFKA_BOOTSTRAP names another"
        ) from None
    except (JournalError, OSError) as error:
        raise OperatorError(f"the backup failed: {error}") from None
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return found


@contextmanager
def one_version(present: Callable[[], TopicVersion]) -> Iterator[None]:
    """Raises `OperatorError` where `hft rebuild` is between two versions of `positions`, or goes from one to the next
    while the block runs: records of the next would be taken for those of the one before.

    One that has begun and is still being counted is copied as a crash would have left it."""
    before = present()
    if before.stopping:
        raise OperatorError(
            "hft rebuild positions is under way, or was killed: take the backup when it has ended (run it again)"
        )
    yield
    if present() != before:
        raise OperatorError("hft rebuild positions began while the backup was being written: take it again")


def _take(settings: Settings, where: Folders, parts: Parts, say: Say) -> Manifest:
    created_ns = time.time_ns()
    journal.copy_beside(where.journal, parts)
    schema, rows = tables.copy(settings.dsn, parts)
    say(f"tables     {sum(part.rows for part in rows.values()):,} rows of {len(rows)} tables, schema {schema}")
    kept = _topics(settings.bootstrap, parts)
    kept[topics.AUDIT.name] = _audit(settings.bootstrap, where.audit, parts)
    point = journal.copy(where.journal, parts)
    # What the journal has read of it is there; what came since is an order that will be taken after a restore.
    kept |= _copied(settings.bootstrap, [_bounds(settings.bootstrap, topics.ORDERS)], parts)
    records = sum(part.records for topic in kept.values() for part in topic.partitions)
    say(f"topics     {records:,} records of {len(kept)} topics")
    for path in sorted(where.secrets.iterdir()):
        parts.put(f"secrets/{path.name}", path.read_bytes())
    found = Manifest(
        program=version("hft"),
        created_ns=created_ns,
        identity=point.head.identity,
        shard=point.head.shard,
        epoch=point.head.epoch,
        max_orders=point.head.max_orders,
        seq=point.seq,
        ts_ns=point.ts_ns,
        schema=schema,
        topics=kept,
        tables=rows,
        files=parts.files,
    )
    manifest.write(parts.folder, found)
    say(f"journal    up to command {point.seq:,}")
    return found


# -------------------------------------------------------------------------------------------------------- topics


def _bounds(bootstrap: str, topic: Topic) -> _Bounds:
    """From its first record to its present end; a compacted one to the end that it has when it is reached, since
    compaction may take a record away as soon as there is a newer one."""
    found = log_bounds(bootstrap, [topic.name])
    compacted = topic.cleanup == "compact"
    return _Bounds(topic, {number: (low, None if compacted else high) for (_, number), (low, high) in found.items()})


def _topics(bootstrap: str, parts: Parts) -> dict[str, TopicPart]:
    """The ends of all are noted in their order, and what grows only is copied then."""
    kept: dict[str, TopicPart] = {}
    growing: list[_Bounds] = []
    for stage in ORDER:
        bounds = [_bounds(bootstrap, topic) for topic in stage]
        growing += [each for each in bounds if each.topic.cleanup != "compact"]
        kept |= _copied(bootstrap, [each for each in bounds if each.topic.cleanup == "compact"], parts)
    return kept | _copied(bootstrap, growing, parts)


def _copied(bootstrap: str, bounds: list[_Bounds], parts: Parts) -> dict[str, TopicPart]:
    return {
        topic.name: TopicPart(topic.cleanup == "compact", log.copy(bootstrap, topic.name, partitions, parts))
        for topic, partitions in bounds
    }


# --------------------------------------------------------------------------------------------------------- audit


def _audit(bootstrap: str, folder: Path, parts: Parts) -> TopicPart:
    """The topic, then the files: a link is in its file before it is sent. A file that was begun anew in between may
    lack links that the copied topic has not; then both are read again."""
    while True:
        bounds = _bounds(bootstrap, topics.AUDIT)
        (_, end) = bounds.partitions[0]
        files = {path.name: path.read_bytes() for path in sorted(folder.glob("audit-*.jsonl"))}
        heads = _heads(bootstrap, end or 0)
        if all(_goes_on(content, heads) for content in files.values()):
            break
    for name, content in files.items():
        parts.put(f"audit/{name}", content)
    return _copied(bootstrap, [bounds], parts)[topics.AUDIT.name]


def _heads(bootstrap: str, end: int) -> dict[str, int]:
    """Writer → number of its last link before the offset `end`."""
    heads: dict[str, int] = {}
    for batch in read_to_end(bootstrap, {(topics.AUDIT.name, 0): None}, name="backup-audit"):
        for message in batch:
            if (message.offset() or 0) < end:
                try:
                    link = _link.decode(message.value() or b"")
                except msgspec.MsgspecError:
                    continue  # none of ours: hft audit names it
                heads[link.writer] = link.number
    return heads


def _goes_on(content: bytes, heads: dict[str, int]) -> bool:
    """Whether the file's first link is not behind the next of its chain."""
    first, newline, _ = content.partition(b"\n")
    if not newline:
        return True
    link = _link.decode(first)
    return link.number <= heads.get(link.writer, 0) + 1


# -------------------------------------------------------------------------------------------------------- the end


def _finish(new: Path, target: Path) -> None:
    """All on the disk, then the name."""
    for name in (manifest.NAME, manifest.SUM):
        with (new / name).open("rb") as file:
            os.fsync(file.fileno())
    for folder in [new, *(path for path in new.rglob("*") if path.is_dir())]:
        _sync(folder)
    if target.exists():
        target.rmdir()
    new.rename(target)
    _sync(target.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
