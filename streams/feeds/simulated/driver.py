"""Plays the simulated market in real time on the running engine, as ordinary accounts through the ordinary door."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from engine.client import Client
from engine.instruments import Listing, load
from engine.messages import Book, CancelAll, DefineAccount, Session
from engine.refusal import Refusal
from engine.tokens import EVERY_ACCOUNT, Identity, issue
from engine.units import Scale
from engine.words import REASONS, Outcome, Phase, Reason
from streams.feeds.instructions import Instruction, columns, encode, session_tag
from streams.feeds.simulated.market import Market, account_names
from streams.feeds.simulated.parameters import Parameters
from streams.feeds.simulated.state import Answer, Listed, Quote
from streams.lifecycle import Outage, stop_on_signals

log = logging.getLogger(__name__)

STRATEGY: Final = "simulated"
DEPOSIT: Final = Decimal(50_000_000)
TOKEN_S: Final = 86_400
TIMEOUT_S: Final = 2.0
RETRY_S: Final = 0.5
LATE_S: Final = 2.0
"""A market that is later than this (the engine was away, the machine slept) goes on from now instead of hurrying."""
SESSION_OVER: Final = frozenset(
    {Reason.UNKNOWN_ACCOUNT, Reason.UNKNOWN_SYMBOL, Reason.NOT_AUTHORIZED, Reason.BUSY, Reason.MALFORMED}
)
"""The engine is not the one that we logged in to (its journal is new), or takes nothing: begin again."""
WIDEST_SPREAD: Final = 0.05
"""Of the price: the middle of a wider book says nothing about where to open."""


def run(engine_address: str, secret: str, instruments: Path, seed: int, rate: float, ready: Callable[[], None]) -> None:
    """Trades every instrument of the file that has a start price, about `rate` commands a second over all, until
    SIGTERM or SIGINT. While the engine is away it tries again."""
    stop = stop_on_signals()
    listings = [listing for listing in load(instruments) if listing.start_price is not None]
    outage = Outage(log, f"engine at {engine_address}")
    told = False
    while not stop.is_set():
        identity = Identity("market", "service", (EVERY_ACCOUNT,))
        token = issue(secret, identity, now_s=int(time.time()), lifetime_s=TOKEN_S)
        client = Client(engine_address, token, timeout_s=TIMEOUT_S)
        try:
            exchange = Exchange(client, listings)
            market = exchange.open(seed, rate)
            outage.back()
            if not told:
                ready()
                told = True
            play(market, exchange, stop)
        except (TimeoutError, ConnectionError, Refusal) as error:
            outage.lost(error)
            stop.wait(RETRY_S)
        finally:
            client.close()


class Exchange:
    """The engine as the market sees it: quotes, and answers to instructions. Errors are those of `Client`."""

    def __init__(self, client: Client, listings: Sequence[Listing]) -> None:
        self._client = client
        self._listings = listings
        self._scales = [Scale(one.definition.tick_size, one.definition.lot_size) for one in listings]
        self._symbols = [one.definition.symbol for one in listings]
        self._session: Session = client.connect()
        self._accounts: list[int] = []
        self._instruments: list[int] = []
        self._tag = ""

    def open(self, seed: int, rate: float) -> Market:
        """Opens the accounts, takes back what they left on the books, and makes the market of this session. The traders
        begin with what the engine says that they hold."""
        known = {one.symbol for one in self._session.instruments}
        for listing in self._listings:
            if listing.definition.symbol not in known:
                self._client.administer(listing.definition)
        for account in account_names(Parameters()):
            if account not in self._session.account_ids:
                self._client.administer(DefineAccount(account=account, deposit=DEPOSIT))
        listed = [self._listed(k) for k in range(len(self._listings))]
        self._client.submit([CancelAll(account=account) for account in account_names(Parameters())])
        self._session = self._client.connect()
        numbers = {one.symbol: one.instrument_id for one in self._session.instruments}
        self._instruments = [numbers[symbol] for symbol in self._symbols]
        self._accounts = [self._session.account_ids[name] for name in account_names(Parameters())]
        # No session starts at the same command as another, so neither ids nor draws are ever repeated.
        self._tag = session_tag(self._session)
        return Market(seed * 1_000_003 + self._session.last_seq, listed, rate, positions=self._positions())

    def _positions(self) -> dict[tuple[int, int], int]:
        """Lots by (account, instrument) in the market's own numbers."""
        accounts = {name: number for number, name in enumerate(account_names(Parameters()))}
        instruments = {symbol: number for number, symbol in enumerate(self._symbols)}
        return {
            (accounts[one.account], instruments[one.symbol]): self._scales[instruments[one.symbol]].lots(
                Decimal(one.quantity)
            )
            for one in self._client.positions().positions
            if one.account in accounts and one.symbol in instruments
        }

    def _listed(self, k: int) -> Listed:
        """The listing in ticks, opening at the middle of its book if it has one."""
        definition, start_price = self._listings[k].definition, self._listings[k].start_price
        assert start_price is not None
        scale = self._scales[k]
        quote = self._quote(k, self._client.depth(self._symbols[k], 1))
        middle = (quote.bid + quote.ask) / 2
        tight = quote.bid and quote.ask and quote.ask - quote.bid < WIDEST_SPREAD * middle
        start = float(start_price / definition.tick_size)
        notional = Decimal(Parameters().unit_notional)
        return Listed(
            definition.symbol,
            price_min=scale.ticks(definition.price_min),
            price_max=scale.ticks(definition.price_max),
            start=start,
            unit=max(1, round(notional / (start_price * definition.lot_size))),
            opening=middle if tight else start,
        )

    def look(self, instrument: int) -> Quote | None:
        """None while the symbol is not traded continuously."""
        book = self._client.depth(self._symbols[instrument], 1)
        return self._quote(instrument, book) if book.phase == Phase.CONTINUOUS.wire else None

    def _quote(self, instrument: int, book: Book) -> Quote:
        scale = self._scales[instrument]
        bid = (scale.ticks(Decimal(book.bids[0][0])), scale.lots(Decimal(book.bids[0][1]))) if book.bids else (0, 0)
        ask = (scale.ticks(Decimal(book.asks[0][0])), scale.lots(Decimal(book.asks[0][1]))) if book.asks else (0, 0)
        return Quote(*bid, *ask)

    def send(self, instruction: Instruction) -> Answer:
        command = encode(
            columns([instruction]),
            accounts=self._accounts,
            instruments=self._instruments,
            tag=self._tag,
            strategy=STRATEGY,
        )
        (reply,) = self._client.submit_records(command)
        if Reason(int(reply["reason"])) in SESSION_OVER:
            raise ConnectionError(REASONS[Reason(int(reply["reason"]))].text)
        return Answer(
            accepted=int(reply["outcome"]) == int(Outcome.ACCEPTED),
            known=bool(reply["order_id"]),
            filled=int(reply["filled"]),
            leaves=int(reply["leaves"]),
        )


def play(market: Market, exchange: Exchange, stop: threading.Event) -> None:
    """Lets the market's events happen when they are due."""
    began = time.monotonic() - market.now_s
    while not stop.is_set():
        wait_s = began + market.next_s - time.monotonic()
        if wait_s > 0:
            stop.wait(wait_s)
            continue
        if wait_s < -LATE_S:
            began = time.monotonic() - market.next_s
        instruction = market.step(exchange.look)
        if instruction is not None:
            market.answer(instruction, exchange.send(instruction))
