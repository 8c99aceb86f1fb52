"""`hft rebuild`: books of account, and stores, made anew from the log."""

from __future__ import annotations

import sys

import click

from infra.errors import OperatorError
from infra.settings import load


@click.group()
def rebuild() -> None:
    """Make books of account, or a store, anew from the log, while trading goes on."""


@rebuild.command()
@click.option(
    "--from",
    "start",
    type=click.Choice(["earliest"]),
    required=True,
    help="Where to begin: at the first fill there is.",
)
def positions(start: str) -> None:
    """Compute every position anew into the next version of the topic, go on with that, and audit it."""
    from confluent_kafka import KafkaException

    from engine import acks
    from infra.progress import for_stream
    from streams import audit
    from streams import rebuild as work

    settings = load()
    acks.choose(settings.acks)
    bootstrap = settings.bootstrap
    try:
        with for_stream(sys.stderr).step("rebuild") as step:
            made = work.rebuild(bootstrap, lambda done, total: step.share("counting fills", done, total, f"{total:,}"))
            step.done(f"version {made.version} of {made.fills:,} fills")
        result = audit.from_topics(bootstrap, mark=settings.mark, settle_s=work.SETTLE_S)
    except KafkaException as error:
        cause = error.args[0].str()
        raise OperatorError(
            f"Kafka at {bootstrap}: {cause}: hft up starts it, HFT_KAFKA_BOOTSTRAP names another"
        ) from None
    except work.RebuildError as error:
        raise OperatorError(f"{error}") from None
    click.echo(result.report())
    if not result.ok:
        sys.exit(1)


@rebuild.command()
def postgres() -> None:
    """Empty the tables that are filled from the topics; sink-postgres fills them again. Users and keys stay."""
    import psycopg

    from streams.sinks.empty import empty_postgres
    from streams.sinks.history import TABLES

    settings = load()
    _refuse_half_a_log(settings.bootstrap, list(TABLES), "Postgres")
    try:
        tables = empty_postgres(settings.dsn)
    except psycopg.Error as error:
        raise OperatorError(f"Postgres: {str(error).strip()}: hft up starts it, HFT_POSTGRES_DSN names yours") from None
    click.echo(f"emptied {', '.join(tables)}: sink-postgres fills them again, hft status says how far it is")


@rebuild.command("redis")
def of_redis() -> None:
    """Empty Redis of what it is given from the topics; sink-redis fills it again."""
    import redis

    from streams.sinks.empty import empty_redis
    from streams.sinks.redis import TOPICS

    settings = load()
    _refuse_half_a_log(settings.bootstrap, list(TOPICS), "Redis")
    try:
        empty_redis(settings.redis)
    except redis.RedisError as error:
        raise OperatorError(f"Redis: {error}: hft up starts it, HFT_REDIS_URL names yours") from None
    click.echo("emptied Redis: sink-redis fills it again, hft status says how far it is")


def _refuse_half_a_log(bootstrap: str, topics: list[str], store: str) -> None:
    """Raises `OperatorError` where a store could not be filled again."""
    from confluent_kafka import KafkaException

    from engine.topics import BY_NAME
    from streams.consumer import log_bounds

    try:
        bounds = log_bounds(bootstrap, topics)
    except KafkaException as error:
        cause = error.args[0].str()
        raise OperatorError(
            f"Kafka at {bootstrap}: {cause}: hft up starts it, HFT_KAFKA_BOOTSTRAP names another"
        ) from None
    for (name, number), (low, _) in bounds.items():
        if low and BY_NAME[name].cleanup == "delete":
            raise OperatorError(
                f"{name}/{number} begins at offset {low}: what came before has been let go, and {store} could not be "
                "filled with it again. Nothing was emptied; a backup has it (hft restore)"
            )
