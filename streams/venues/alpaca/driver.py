"""Routes orders to Alpaca, and tells the engine what became of them there.

One thread does all of it, through the `desk`. The engine sequences every fill and end, so that they are in its journal,
in all topics and in all books like its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException

from engine.client import Client
from engine.instruments import load
from engine.messages import DefineInstrument
from engine.refusal import Refusal
from engine.tokens import EVERY_ACCOUNT, Identity, issue
from streams.consumer import Stopped
from streams.feeds.alpaca.messages import MessageError
from streams.feeds.alpaca.source import Keys
from streams.lifecycle import Outage, stop_on_signals
from streams.outbox import Outbox
from streams.strategies.instrument import listed
from streams.venues.alpaca.desk import Desk
from streams.venues.alpaca.orders import Ours
from streams.venues.alpaca.trading import AwayError, RefusedError, Trading

log = logging.getLogger(__name__)

ACTOR: Final = "venue"
TOKEN_S: Final = 30 * 86_400
TIMEOUT_S: Final = 2.0
RETRY_S: Final = 0.5
AWAY_RETRY_S: Final = 5.0
WAIT_S: Final = 0.05


def venue_account(*, paper: bool) -> str:
    """The account that stands for Alpaca in our books."""
    return "alpaca-paper" if paper else "alpaca-live"


def run(
    engine_address: str,
    secret: str,
    bootstrap: str,
    instruments: Path,
    symbols: Sequence[str],
    accounts: Sequence[str],
    keys: tuple[str, str],
    paper: bool,
    confirmed: str,
    trading_url: str,
    updates_url: str,
    ready: Callable[[], None],
) -> None:
    """Until SIGTERM or SIGINT. `confirmed`: number of the account there that somebody has said may trade real money.

    Raises:
        SystemExit: a symbol is no instrument or keeps trading hours of its own, no account is routed, or the live
            account is not the one that was confirmed.
    """
    stop = stop_on_signals()
    definitions = {listing.definition.symbol: listing.definition for listing in load(instruments)}
    wrong = [name for name in symbols if name not in definitions or definitions[name].calendar]
    if wrong or not symbols:
        raise SystemExit(
            f"HFT_ALPACA_SYMBOLS: {', '.join(wrong) or 'none'} not among the instruments without a calendar"
        )
    if not accounts:
        raise SystemExit("HFT_VENUE_ACCOUNTS: none whose orders go to Alpaca")
    trading = Trading(Keys(*keys), paper=paper, trading_url=trading_url, updates_url=updates_url)
    venue = venue_account(paper=paper)
    ours = Ours(symbols, accounts, venue)
    units = {symbol: listed(definitions[symbol]) for symbol in symbols}
    outbox = Outbox(bootstrap, "venue")
    desk = Desk(trading, ours, units, venue, outbox, confirmed=None if paper else confirmed)
    try:
        trading.start()
        ours.start(bootstrap, stop)
        serve(desk, engine_address, secret, [definitions[symbol] for symbol in symbols], stop, ready)
    except Stopped:
        pass
    except KafkaException as error:
        raise SystemExit(f"Kafka: {error.args[0].str()}") from None
    finally:
        trading.stop()
        ours.close()
        outbox.close()


def serve(
    desk: Desk,
    engine_address: str,
    secret: str,
    definitions: Sequence[DefineInstrument],
    stop: threading.Event,
    ready: Callable[[], None],
) -> None:
    """Through outages of the engine and of Alpaca, until `stop`."""
    outage = Outage(log, f"engine at {engine_address}")
    told = False
    while not stop.is_set():
        identity = Identity(ACTOR, "service", (EVERY_ACCOUNT,))
        token = issue(secret, identity, now_s=int(time.time()), lifetime_s=TOKEN_S)
        client = Client(engine_address, token, timeout_s=TIMEOUT_S)
        try:
            desk.open(client, definitions)
            outage.back()
            if not told:
                ready()
                told = True
            while not stop.is_set():
                desk.turn(WAIT_S)
        except (TimeoutError, ConnectionError, Refusal) as error:
            outage.lost(error)
            stop.wait(RETRY_S)
        except (AwayError, RefusedError, MessageError) as error:
            desk.away.lost(error)
            stop.wait(AWAY_RETRY_S)
        finally:
            client.close()
