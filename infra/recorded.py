"""`hft replay` and `hft audit`: the commands that feed recorded days in and check what came out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

import click

from infra import alpaca_keys, commands_venue
from infra.errors import OperatorError
from infra.settings import Settings, load

T = TypeVar("T")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class Speed(click.ParamType):
    """A multiple of real time, or `max` (None)."""

    name = "N|max"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> float | None:
        if value is None or isinstance(value, float) or value == "max":
            return None if value == "max" else value  # type: ignore[return-value]
        try:
            speed = float(str(value))
        except ValueError:
            speed = 0.0
        if not 0 < speed < float("inf"):
            self.fail(f"{value} is neither a positive number nor max", param, context)
        return speed


class Day(click.ParamType):
    """A date, or `today`, in UTC."""

    name = "DATE"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return datetime.now(UTC).date() if value == "today" else date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value} is neither a date like 2026-11-30 nor today", param, context)


@click.command()
@click.option("--lobster", "messages", type=FILE, help="A LOBSTER message file, or its zip with both files.")
@click.option("--book", type=FILE, help="The LOBSTER order book file that belongs to it.")
@click.option("--speed", type=Speed(), default="max", show_default=True, help="Multiple of real time.")
@click.option("--symbol", help="Symbol to trade it as [default: that of the file's name].")
@click.option("--offline", is_flag=True, help="On a matcher of its own instead of the running system.")
@click.option("--dbn", "dbn", type=FILE, help="A Databento MBO file; more may follow. Applied without matching.")
@click.option(
    "--journal",
    is_flag=False,
    flag_value="",
    metavar="[FOLDER]",
    help="The engine's journal: that of VAR, or in FOLDER. Prints the books and the state hash.",
)
@click.option("--until", type=click.IntRange(min=1), help="With --journal: the last command to replay.")
@click.option("--day", type=Day(), metavar="DATE", help="With --verify: a day of the running system (UTC), or today.")
@click.option("--verify", is_flag=True, help="With --day: make it again from Kafka's commands alone, and compare.")
@click.argument("more", nargs=-1, type=FILE)
def replay(
    messages: Path | None,
    book: Path | None,
    speed: float | None,
    symbol: str | None,
    offline: bool,
    dbn: Path | None,
    journal: str | None,
    until: int | None,
    day: date | None,
    verify: bool,
    more: tuple[Path, ...],
) -> None:
    """Replay a recorded day (LOBSTER through the matcher, DBN onto a book) and compare it with the file; the engine's
    own journal up to any command; or a day of the system from Kafka, compared with all that it published."""
    if day is not None or verify:
        if day is None or not verify or messages is not None or dbn is not None or journal is not None or more:
            raise click.UsageError("a day of the system is replayed by --day DATE --verify and nothing else")
        _verify_day(load(), day)
        return
    if journal is not None:
        if messages is not None or dbn is not None or more:
            raise click.UsageError("--journal replays the journal alone")
        _replay_journal(journal, until)
        return
    if until is not None:
        raise click.UsageError("--until goes with --journal")
    if (messages is None) == (dbn is None):
        raise click.UsageError("give --lobster MESSAGES.csv --book ORDERBOOK.csv, --dbn FILE…, or --journal")
    if dbn is not None:
        _replay_dbn((dbn, *more))
        return
    if more:
        raise click.UsageError(f"--lobster takes one file, {more[0]} is too much")
    assert messages is not None
    _replay_lobster(load(), messages, book, speed, symbol, offline)


def _verify_day(settings: Settings, day: date) -> None:
    from confluent_kafka import KafkaException

    from streams import day as days

    try:
        result = days.verify(days.KafkaLog(settings.bootstrap), day, apart=True)
    except KafkaException as error:
        raise _no_kafka(settings.bootstrap, error) from None
    except RuntimeError as error:
        raise OperatorError(f"{error}") from None
    click.echo(result.report())
    sys.exit(0 if result.ok else 1)


def _no_kafka(bootstrap: str, error: Exception) -> OperatorError:
    cause = error.args[0].str()
    return OperatorError(f"Kafka at {bootstrap}: {cause}: hft up starts it, HFT_KAFKA_BOOTSTRAP names another")


def _replay_journal(folder: str, until: int | None) -> None:
    from engine.segments import JournalError
    from infra.folders import folders
    from infra.journaled import rebuild

    try:
        click.echo(rebuild(Path(folder) if folder else folders(load().var).journal, until))
    except JournalError as error:
        raise OperatorError(f"{error}") from None


def _replay_lobster(
    settings: Settings, messages: Path, book: Path | None, speed: float | None, symbol: str | None, offline: bool
) -> None:
    from infra.folders import folders
    from infra.secrets import jwt_secret
    from streams.feeds import lobster

    secret = None if offline else jwt_secret(settings.jwt_secret, folders(settings.var).secrets)

    def play(progress: Callable[[int, int], None]) -> lobster.Result:
        return lobster.replay(
            messages,
            book,
            symbol=symbol,
            speed=speed,
            address=None if offline else settings.zeromq,
            secret=secret,
            progress=progress,
        )

    try:
        result = _with_progress("replay", play)
    except (lobster.LobsterError, TimeoutError) as error:
        raise OperatorError(f"{error}") from None
    click.echo(result.report())
    sys.exit(0 if result.ok else 1)


def _replay_dbn(files: tuple[Path, ...]) -> None:
    from streams.feeds import dbn

    try:
        result = _with_progress("replay", lambda progress: dbn.replay(files, progress))
    except dbn.DbnError as error:
        raise OperatorError(f"{error}") from None
    click.echo(result.report())
    sys.exit(0 if result.ok else 1)


def _with_progress(what: str, work: Callable[[Callable[[int, int], None]], T]) -> T:
    from infra.progress import for_stream

    with for_stream(sys.stderr).step(what) as step:
        result = work(lambda done, total: step.share("playing", done, total, f"{total:,}"))
        step.done("done")
        return result


@click.command()
@click.option("--from-topics", is_flag=True, help="From the topics alone: nothing else is asked.")
@click.option(
    "--settle",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="Seconds to wait at most until the topics stand still.",
)
@click.option("--chain", is_flag=True, help="Instead: whether the hash chains of the topic `audit` hold.")
def audit(from_topics: bool, settle: float, chain: bool) -> None:
    """Recompute every position and P&L from `fills`, `trades` and `books`, and compare them with the published ones and
    with the engine's own; then compare orders, executions, positions and P&L of Postgres, Redis and the engine with the
    topics."""
    from confluent_kafka import KafkaException

    from engine.answers import Positions
    from engine.refusal import Refusal
    from infra.folders import folders
    from infra.secrets import jwt_secret
    from streams import audit as auditor
    from streams import engine_positions

    settings = load()
    bootstrap, address = settings.bootstrap, settings.zeromq
    if chain:
        _audit_chains(bootstrap)

    try:
        _refuse_half_a_log(bootstrap)

        def ask_engine() -> Positions:
            return engine_positions.ask(address, jwt_secret(settings.jwt_secret, folders(settings.var).secrets))

        result = auditor.from_topics(
            bootstrap, mark=settings.mark, settle_s=settle, ask_engine=None if from_topics else ask_engine
        )
        click.echo(result.report())
        ok = result.ok if from_topics else _audit_stores(settings) and result.ok
        if settings.venue != "none" and alpaca_keys.read(settings.alpaca_keys) is not None:
            click.echo()
            ok = commands_venue.compare(settings) and ok
    except (TimeoutError, Refusal) as error:
        raise OperatorError(
            f"the engine at {address}: {error}: hft up starts it; --from-topics audits without it"
        ) from None
    except KafkaException as error:
        raise _no_kafka(bootstrap, error) from None
    sys.exit(0 if ok else 1)


def _refuse_half_a_log(bootstrap: str) -> None:
    """Raises `OperatorError`, `KafkaException`."""
    from engine.topics import BY_NAME
    from streams import audit as auditor
    from streams.consumer import log_bounds

    for (name, number), (low, _) in log_bounds(bootstrap, [topic.name for topic in auditor.READ]).items():
        if low and BY_NAME[name].cleanup == "delete":
            raise OperatorError(
                f"{name}/{number} begins at offset {low}: what came before has been let go (HFT_DISK_QUOTA_GB, or the "
                "topic's retention), so that positions cannot be counted again; hft status says what the running audit "
                "finds"
            )


def _audit_chains(bootstrap: str) -> None:
    from confluent_kafka import KafkaException

    from engine.topics import AUDIT
    from streams import audit_chain
    from streams.consumer import log_bounds, read_to_end

    partition = (AUDIT.name, 0)
    try:
        low, _ = log_bounds(bootstrap, [AUDIT.name])[partition]
        batches = read_to_end(bootstrap, {partition: low}, name="hft-audit")
        records = ((message.offset() or 0, message.value() or b"") for batch in batches for message in batch)
        verdict = audit_chain.verify(records, whole=low == 0)
    except KafkaException as error:
        raise OperatorError(f"Kafka at {bootstrap} cannot be read: {error.args[0].str()}") from None
    click.echo(verdict.report())
    sys.exit(0 if verdict.ok else 1)


def _audit_stores(settings: Settings) -> bool:
    """Prints what the stores hold and where they differ; whether nowhere. Raises `OperatorError`, `TimeoutError`,
    `Refusal`, `KafkaException`."""
    import psycopg
    import redis

    from infra.folders import folders
    from infra.secrets import jwt_secret
    from streams import engine_positions, stores
    from streams.consumer import log_bounds

    secret = jwt_secret(settings.jwt_secret, folders(settings.var).secrets)
    try:
        lets_go = bool(settings.history_days or settings.disk_quota_gb)
        found = [stores.read_postgres(settings.dsn, lets_go=lets_go), stores.read_redis(settings.redis)]
    except psycopg.Error as error:
        raise OperatorError(f"Postgres: {str(error).strip()}: hft up starts it, HFT_POSTGRES_DSN names yours") from None
    except redis.RedisError as error:
        raise OperatorError(f"Redis: {error}: hft up starts it, HFT_REDIS_URL names yours") from None
    bounds = log_bounds(settings.bootstrap, [topic.name for topic in stores.COMPARED])
    with engine_positions.session(settings.zeromq, secret) as client:
        result = stores.audit_stores(
            settings.bootstrap,
            found,
            bounds,
            lambda account, order_id: client.status(account, order_id=order_id),
            client.ping,
        )
    click.echo(f"\n{result.report()}")
    return result.ok
