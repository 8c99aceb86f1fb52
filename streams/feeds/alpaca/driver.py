"""Plays Alpaca's market on the running engine: quotes as orders of one account, trades as prints on the tape."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from engine.client import Client
from engine.instruments import load
from engine.messages import Cancel, CancelAll, DefineAccount, OrderCommand, Print, Reply
from engine.refusal import Refusal
from engine.tokens import EVERY_ACCOUNT, Identity, issue
from engine.words import ExecType
from streams.feeds.alpaca.messages import Quote, Trade
from streams.feeds.alpaca.mirror import Mirror
from streams.feeds.alpaca.source import Keys, Source, SourceError, State, drained, newest_quotes
from streams.feeds.alpaca.tape import Tape
from streams.feeds.instructions import session_tag
from streams.feeds.simulated.market import account_names
from streams.feeds.simulated.parameters import Parameters
from streams.lifecycle import Outage, stop_on_signals
from streams.strategies.instrument import Listed, listed

log = logging.getLogger(__name__)

ACCOUNT: Final = "alpaca"
DEPOSIT: Final = Decimal(1_000_000_000)
TOKEN_S: Final = 30 * 86_400
TIMEOUT_S: Final = 2.0
RETRY_S: Final = 0.5
WAIT_S: Final = 0.1
GAP_RETRY_S: Final = 30.0
"""Between two attempts to fill the same gap."""
SESSION_OVER: Final = frozenset({"unknown_account", "unknown_symbol", "not_authorized", "busy", "malformed"})
"""The engine is not the one that we logged in to, or takes nothing: begin again."""


def run(
    engine_address: str,
    secret: str,
    instruments: Path,
    symbols: Sequence[str],
    feed: str,
    keys: tuple[str, str],
    stream_url: str,
    data_url: str,
    ready: Callable[[], None],
) -> None:
    """Until SIGTERM or SIGINT. While the engine is away its orders are taken back at the next login; while Alpaca is
    away they are taken back at once.

    Raises:
        SystemExit: a symbol is no instrument, or Alpaca's client has given up.
    """
    stop = stop_on_signals()
    definitions = {listing.definition.symbol: listing.definition for listing in load(instruments)}
    unknown = [symbol for symbol in symbols if symbol not in definitions]
    if unknown or not symbols:
        raise SystemExit(f"HFT_ALPACA_SYMBOLS: {', '.join(unknown) or 'none'} not among the instruments")
    source = Source(Keys(*keys), symbols, feed, stream_url, data_url)
    tape = Tape()
    outage = Outage(log, f"engine at {engine_address}")
    told = False
    source.start()
    try:
        while not stop.is_set():
            identity = Identity(ACCOUNT, "service", (EVERY_ACCOUNT,))
            token = issue(secret, identity, now_s=int(time.time()), lifetime_s=TOKEN_S)
            client = Client(engine_address, token, timeout_s=TIMEOUT_S)
            try:
                market = Market(client, source, tape, [listed(definitions[symbol]) for symbol in symbols])
                for symbol in symbols:
                    if symbol not in market.known:
                        client.administer(definitions[symbol])
                market.open()
                outage.back()
                if not told:
                    ready()
                    told = True
                market.play(stop)
            except (TimeoutError, ConnectionError, Refusal) as error:
                outage.lost(error)
                stop.wait(RETRY_S)
            finally:
                client.close()
    finally:
        source.stop()


class Market:
    """One login to the engine."""

    def __init__(self, client: Client, source: Source, tape: Tape, units: Sequence[Listed]) -> None:
        self._client = client
        self._source = source
        self._tape = tape
        self._units = {unit.symbol: unit for unit in units}
        self._session = client.connect()
        self.known = {one.symbol for one in self._session.instruments}
        self._mirror = Mirror(ACCOUNT, "", self._units)
        self._outage = Outage(log, "Alpaca's stream")
        self._missing_ns: int | None = None
        """From when on trades are missing."""
        self._next_attempt_s = 0.0
        self._refused: set[str] = set()

    def open(self) -> None:
        """Opens the account and takes back what an earlier session left, and what the simulated market did: its orders
        would stand at prices of its own."""
        if ACCOUNT not in self._session.account_ids:
            self._client.administer(DefineAccount(account=ACCOUNT, deposit=DEPOSIT))
        simulated = [name for name in account_names(Parameters()) if name in self._session.account_ids]
        self._client.submit([CancelAll(account=name) for name in (ACCOUNT, *simulated)])
        self._session = self._client.connect()
        self._mirror = Mirror(ACCOUNT, session_tag(self._session), self._units)
        self._settle()
        self._resume()
        self._note_gap()

    def play(self, stop: threading.Event) -> None:
        while not stop.is_set():
            for message in newest_quotes(drained(self._source.messages, WAIT_S)):
                self._take(message)
            if self._missing_ns is not None and time.monotonic() >= self._next_attempt_s:
                self._fill()
            if not self._source.is_running:
                self._send(self._mirror.withdraw())
                raise SystemExit("Alpaca's client has given up, as it does without a subscription to the feed")
        self._send(self._mirror.withdraw())

    def _take(self, message: Quote | Trade | State) -> None:
        if isinstance(message, Quote):
            self._send(self._mirror.follow(message))
        elif isinstance(message, Trade):
            self._print([message])
        elif message is State.UP:
            self._outage.back()
            self._note_gap()
        else:
            self._outage.lost("the connection ended: its quotes are withdrawn")
            self._send(self._mirror.withdraw())

    def _note_gap(self) -> None:
        """Trades since the last that we know may be missing; before the first there is nothing to miss."""
        known = [last for symbol in self._units if (last := self._tape.last_ns(symbol)) is not None]
        if known and self._missing_ns is None:
            self._missing_ns, self._next_attempt_s = min(known), 0.0

    def _fill(self) -> None:
        assert self._missing_ns is not None
        try:
            found = self._source.missed(self._missing_ns)
        except SourceError as error:
            log.warning("trades that were missed cannot be read (%s); trying again", error)
            self._next_attempt_s = time.monotonic() + GAP_RETRY_S
            return
        count = self._print(found)
        self._missing_ns = None
        if count:
            log.warning("%d trades that were missed are on the tape now", count)

    def _settle(self) -> None:
        """Looks whether the trade that was on its way when the engine went away has arrived: it is printed once."""
        trade = self._tape.attempted
        if trade is None:
            return
        printed = self._as_print(trade)
        for one in self._client.trades(trade.symbol).trades:
            if printed is not None and one.transact_ns == trade.ts_ns and Decimal(one.price) == printed.price:
                self._tape.note(trade)
                return

    def _resume(self) -> None:
        """What a process before this one has printed is on the engine's tape."""
        for symbol in self._units:
            if self._tape.last_ns(symbol) is None:
                printed = [one for one in self._client.trades(symbol).trades if one.exec_type == ExecType.PRINT.wire]
                if printed:
                    self._tape.resume(symbol, max(one.transact_ns for one in printed))

    def _print(self, trades: Sequence[Trade]) -> int:
        """Those that are new; how many there were."""
        count = 0
        for trade in trades:
            if trade.symbol not in self._units or not self._tape.is_new(trade):
                continue
            command = self._as_print(trade)
            if command is not None:
                self._tape.attempted = trade
                reply = self._client.administer(command)
                if reply.reason is not None:
                    self._refuse(reply)
                count += 1
            self._tape.note(trade)
        return count

    def _as_print(self, trade: Trade) -> Print | None:
        """None of less than a lot: our tape has no such trades."""
        unit = self._units[trade.symbol]
        ticks, lots = unit.ticks(trade.price), unit.lots(trade.size)
        if ticks <= 0 or lots <= 0:
            return None
        return Print(
            symbol=trade.symbol,
            price=unit.exact_price(ticks),
            quantity=unit.exact_quantity(lots),
            transact_ns=trade.ts_ns,
        )

    def _send(self, commands: list[OrderCommand]) -> None:
        if not commands:
            return
        for command, reply in zip(commands, self._client.submit(commands), strict=True):
            # A cancel of what has traded finds nothing, which is as well.
            if reply.reason is not None and (reply.reason in SESSION_OVER or not isinstance(command, Cancel)):
                self._refuse(reply)

    def _refuse(self, reply: Reply) -> None:
        """Says so once a reason: a book that is closed refuses every quote. Raises ConnectionError where the session is
        over."""
        reason = reply.reason or reply.outcome
        if reason in SESSION_OVER:
            raise ConnectionError(reply.text or reason)
        if reason not in self._refused:
            self._refused.add(reason)
            log.warning("the engine refuses what Alpaca says (further ones silently): %s", reply.text or reason)
