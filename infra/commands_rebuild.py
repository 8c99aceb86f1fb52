"""`hft rebuild`: books of account made anew from the log."""

from __future__ import annotations

import sys

import click

from infra.errors import OperatorError
from infra.settings import load


@click.group()
def rebuild() -> None:
    """Make books of account anew from the log, while trading goes on."""


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
