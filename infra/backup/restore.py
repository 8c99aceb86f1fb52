"""`hft restore`: fills an empty system from a backup, so that the next start goes on as after a crash at its point."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import NewTopic

from engine.topics import BY_NAME
from infra import kafka, migrations
from infra.backup import log, manifest, servers, tables
from infra.backup.manifest import Manifest
from infra.backup.parts import SUFFIX, unpack
from infra.errors import OperatorError
from infra.folders import Folders, folders
from infra.settings import Settings
from streams.consumer import log_bounds

FILES: Final = ("secrets", "audit", "journal")
"""Files that are put back as they are; the journal last, since nothing starts on topics without it."""
LIMIT_S: Final = 30.0

Say = Callable[[str], None]


def checked(folder: Path) -> Manifest:
    """What the backup in `folder` says of itself, every file compared. Raises `OperatorError`."""
    found = manifest.read(folder)
    known = len(migrations.read())
    if found.schema > known:
        raise OperatorError(
            f"{folder} has tables of schema {found.schema}, this program knows {known}: restore it with a newer hft"
        )
    manifest.check(folder, found)
    return found


def restore(settings: Settings, folder: Path, say: Say) -> Manifest:
    """Raises `OperatorError`; the embedded servers' and our own files are gone then, as before."""
    folder = folder.expanduser().absolute()
    found = checked(folder)
    say(f"checked    {len(found.files)} files, {sum(file.bytes for file in found.files.values()):,} bytes")
    where = folders(settings.var)
    _require_empty_folder(where)
    _require_empty_redis(settings)
    try:
        with servers.alone(settings, where):
            _require_empty_topics(settings.bootstrap, found)
            tables.require_empty(settings.dsn)
            _restore_tables(settings, folder, found, say)
            _restore_topics(settings, folder, found, say)
            _restore_files(where, folder, found)
    except BaseException as error:
        for path in _state(where):
            shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, KafkaException):
            cause = error.args[0].str()
            raise OperatorError(
                f"Kafka at {settings.bootstrap}: {cause}: hft up starts it, HFT_KAFKA_BOOTSTRAP names another"
            ) from None
        if isinstance(error, OSError):
            raise OperatorError(f"the restore failed: {error}") from None
        raise
    say(f"journal    up to command {found.seq:,}")
    return found


# --------------------------------------------------------------------------------------------------- empty targets


def _state(where: Folders) -> tuple[Path, ...]:
    return (where.journal, where.kafka, where.postgres, where.redis, where.streams.parent, where.audit, where.secrets)


def _require_empty_folder(where: Folders) -> None:
    for folder in _state(where):
        for path in folder.rglob("*"):
            if not path.is_dir():
                raise OperatorError(
                    f"{where.var} is not empty ({path.relative_to(where.var)} is there): restore into a new HFT_VAR, "
                    "or move this one elsewhere"
                )


def _require_empty_redis(settings: Settings) -> None:
    """Keys of another history would be taken for those of this one."""
    if not settings.redis_url:
        return
    import redis

    from infra import health
    from streams.sinks.redis_keys import OURS

    health.require_redis(settings.redis_url)
    client = redis.Redis.from_url(settings.redis_url)
    for pattern in OURS:
        for key in client.scan_iter(pattern, count=1000):
            raise OperatorError(
                f"Redis holds {key.decode(errors='replace')}: it is filled from the topics; empty it (FLUSHDB), or set "
                "HFT_REDIS_URL"
            )


def _require_empty_topics(bootstrap: str, found: Manifest) -> None:
    admin = kafka.admin_client(bootstrap)
    there = admin.list_topics(timeout=LIMIT_S).topics
    for name in found.topics.keys() & there.keys():
        bounds = log_bounds(bootstrap, [name])
        if any(high for _, high in bounds.values()):
            raise OperatorError(
                f"the topic {name} has records, or had some: hft restore fills an empty Kafka (delete the topic, "
                "or set HFT_KAFKA_BOOTSTRAP)"
            )
        count = len(found.topics[name].partitions)
        if len(bounds) != count:
            raise OperatorError(
                f"the topic {name} has {len(bounds)} partitions, in the backup {count}: delete it, and it is made anew"
            )


# ------------------------------------------------------------------------------------------------------ the parts


def _restore_tables(settings: Settings, folder: Path, found: Manifest, say: Say) -> None:
    tables.restore(settings.dsn, folder, found.schema, found.tables, settings.history_days)
    say(f"tables     {sum(part.rows for part in found.tables.values()):,} rows of {len(found.tables)} tables")


def _restore_topics(settings: Settings, folder: Path, found: Manifest, say: Say) -> None:
    _create_topics(settings, found)
    writer = log.Writer(settings.bootstrap)
    for name, topic in found.topics.items():
        for number, part in enumerate(topic.partitions):
            records = log.read(folder, name, number)
            if topic.compacted:
                writer.compacted(name, number, records)
            else:
                writer.exact(name, number, part, records)
        _check_ends(settings.bootstrap, name, found)
    count = sum(part.records for topic in found.topics.values() for part in topic.partitions)
    say(f"topics     {count:,} records of {len(found.topics)} topics")


def _create_topics(settings: Settings, found: Manifest) -> None:
    """With as many partitions as they had."""
    admin = kafka.admin_client(settings.bootstrap)
    there = admin.list_topics(timeout=LIMIT_S).topics
    new = [
        NewTopic(
            name,
            num_partitions=len(topic.partitions),
            replication_factor=settings.replication_factor,
            config=kafka.topic_configuration(BY_NAME[name], settings.min_insync_replicas),
        )
        for name, topic in found.topics.items()
        if name not in there
    ]
    for name, future in (admin.create_topics(new, operation_timeout=LIMIT_S) if new else {}).items():
        try:
            future.result(LIMIT_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise OperatorError(f"topic {name} cannot be created: {error.args[0].str()}") from None
    kafka.wait_for_leaders(admin, set(found.topics), LIMIT_S)


def _check_ends(bootstrap: str, name: str, found: Manifest) -> None:
    """Of a topic that keeps its offsets."""
    if found.topics[name].compacted:
        return
    for (_, number), bounds in log_bounds(bootstrap, [name]).items():
        part = found.topics[name].partitions[number]
        if bounds[1] != part.end:
            raise OperatorError(f"{name}/{number} ends at {bounds[1]}, in the backup at {part.end}")


def _restore_files(where: Folders, folder: Path, found: Manifest) -> None:
    for kind in FILES:
        for name in found.files:
            if name.startswith(f"{kind}/"):
                content = name.removesuffix(SUFFIX)
                unpack(folder, content, where.var / content)
