"""`hft dead-letters`."""

from __future__ import annotations

import click

from infra.errors import OperatorError
from infra.settings import load


@click.command("dead-letters")
@click.option(
    "--minutes", default=60.0, show_default=True, type=click.FloatRange(min=0), help="How far back; 0: everything."
)
def dead_letters(minutes: float) -> None:
    """Print the records that were set aside, the oldest first: when (UTC), from where, why, and what they hold."""
    import time

    from confluent_kafka import KafkaException

    from infra.letters import letters, shown

    settings = load()
    since_ms = round((time.time() - minutes * 60) * 1000) if minutes else 0
    count = 0
    try:
        for written_ms, letter in letters(settings.bootstrap, since_ms):
            click.echo(shown(written_ms, letter))
            count += 1
    except KafkaException as error:
        cause = error.args[0].str()
        raise OperatorError(
            f"Kafka at {settings.bootstrap}: {cause}: hft up starts it, HFT_KAFKA_BOOTSTRAP names another"
        ) from None
    click.echo(f"{count:,} dead letters" + (f" of the last {minutes:g} minutes" if minutes else ""))
