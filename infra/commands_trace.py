"""`hft trace`."""

from __future__ import annotations

import click

from infra.errors import OperatorError
from infra.settings import load


@click.command()
@click.argument("name", metavar="ID")
@click.option("--account", help="Whose order it is, where ID is a client_order_id that several have.")
@click.option(
    "--minutes", default=60.0, show_default=True, type=click.FloatRange(min=0), help="How far back; 0: everything."
)
def trace(name: str, account: str | None, minutes: float) -> None:
    """Print an order's way in order of time (UTC): commands, records of topics, lines of logs.

    ID is a trace id, a traceparent, an order_id or a client_order_id."""
    from confluent_kafka import KafkaException

    from infra.folders import folders
    from infra.trace import shown, way

    settings = load()
    try:
        found, steps = way(settings.bootstrap, folders(settings.var).logs, name, account, minutes)
    except KafkaException as error:
        cause = error.args[0].str()
        raise OperatorError(
            f"Kafka at {settings.bootstrap}: {cause}: hft up starts it, HFT_KAFKA_BOOTSTRAP names another"
        ) from None
    click.echo(f"trace {found}")
    width = max(len(step.where) for step in steps)
    for step in steps:
        click.echo(shown(step, width))
    if settings.log_level != "debug":
        click.echo("the processes log single orders with HFT_LOG_LEVEL=debug only")
