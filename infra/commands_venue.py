"""`hft venue`: what stands at the venue, and the word that lets it trade with real money."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from infra import alpaca_keys, confirmation
from infra.errors import OperatorError
from infra.folders import folders
from infra.settings import Settings, load

if TYPE_CHECKING:
    from streams.venues.alpaca.trading import Trading


@click.group()
def venue() -> None:
    """Compare with Alpaca's account, or allow live trading there."""


@venue.command()
def status() -> None:
    """Compare positions, open orders and cash of Alpaca's account with our books."""
    settings = load()
    if settings.venue == "none":
        raise OperatorError("HFT_VENUE=none: no orders are routed")
    sys.exit(0 if compare(settings) else 1)


@venue.command("confirm-live")
def confirm_live() -> None:
    """Allow HFT_VENUE=alpaca-live to trade with real money, by typing the number of the account."""
    from streams.venues.alpaca.trading import AwayError, RefusedError

    settings = load()
    try:
        balance = trading(settings, paper=False).balance()
    except (AwayError, RefusedError) as error:
        raise OperatorError(f"Alpaca: {error}") from None
    click.echo(f"Account {balance.number} holds {balance.cash:,f} of real money. What is ordered here is traded there.")
    if click.prompt("Type the number of the account") != balance.number:
        raise OperatorError("that is another number: nothing is confirmed")
    confirmation.write(folders(settings.var).secrets, balance.number)
    click.echo(f"HFT_VENUE=alpaca-live trades on {balance.number} from the next start on")


def trading(settings: Settings, *, paper: bool) -> Trading:
    """A session by REST. Raises `OperatorError` where there are no keys."""
    from streams.feeds.alpaca.source import Keys
    from streams.venues.alpaca.trading import Trading

    return Trading(
        Keys(*alpaca_keys.needed(settings.alpaca_keys)),
        paper=paper,
        trading_url=settings.alpaca_trading_url,
        updates_url=settings.alpaca_updates_url,
    )


def compare(settings: Settings) -> bool:
    """Prints how Alpaca's account and our books compare; whether they agree. Raises `OperatorError`."""
    from confluent_kafka import KafkaException

    from infra.engine_session import session
    from infra.services import names
    from streams.feeds.alpaca.messages import MessageError
    from streams.venues.alpaca.look import look
    from streams.venues.alpaca.trading import AwayError, RefusedError

    paper = settings.venue != "alpaca-live"
    there = trading(settings, paper=paper)
    try:
        with session(settings) as client:
            found = look(
                there,
                client,
                settings.bootstrap,
                names(settings.alpaca_symbols),
                names(settings.venue_accounts),
                paper=paper,
            )
    except (AwayError, RefusedError, MessageError) as error:
        raise OperatorError(f"Alpaca: {error}") from None
    except KafkaException as error:
        raise OperatorError(f"Kafka at {settings.bootstrap} cannot be read: {error.args[0].str()}") from None
    click.echo(found.report(settings.venue))
    return not found.differences
