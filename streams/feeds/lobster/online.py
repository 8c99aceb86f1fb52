"""Plays a planned LOBSTER day through the running engine, with many messages on their way at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.answers import in_json, in_records
from engine.client import Client
from engine.messages import Book, CancelAll, DefineAccount, Instrument, Reply, Session, as_json
from engine.refusal import Refusal
from engine.tokens import EVERY_ACCOUNT, Identity, issue
from engine.units import Scale
from engine.words import Outcome
from streams.feeds.instructions import encode, session_tag
from streams.feeds.interrupt import interrupt_noted
from streams.feeds.lobster import plan as plans
from streams.feeds.lobster.plan import ACCOUNTS, DEPOSIT, PROGRESS_ROWS, STRATEGY, Plan, Progress
from streams.feeds.lobster.reader import Day, LobsterError
from streams.feeds.lobster.result import Result
from streams.feeds.lobster.translation import CROWD

IN_FLIGHT: Final = 512
"""Requests on their way at a time."""
TOKEN_S: Final = 86_400
TIMEOUT_S: Final = 10.0


class Sent(NamedTuple):
    """A request whose answer is still to come; the engine answers in order."""

    number: int
    row: int
    kind: str
    """`records`, `print` or `depth`."""


def play(
    day: Day, symbol: str, source: str, address: str, secret: str, speed: float | None, progress: Progress | None
) -> Result:
    """The day, or what was reached of it when the user interrupted.

    Raises:
        LobsterError: nobody answers at the address, or the symbol cannot take the day.
    """
    identity = Identity("replay", "service", (EVERY_ACCOUNT,))
    token = issue(secret, identity, now_s=int(time.time()), lifetime_s=TOKEN_S)
    client = Client(address, token, timeout_s=TIMEOUT_S)
    try:
        session, instrument = prepare(client, day, symbol)
        tick = plans.tick_of(day, instrument)
        plan = plans.make(day, symbol, tick)
        result = Result(symbol, source, f"on the engine at {address}", plan, dated=day.day is not None)
        levels = Replay(client, session, instrument, day, result).run(speed, progress)
        result.judge(plans.expected(day, tick)[: len(levels)], levels)
        return result
    except TimeoutError as error:
        raise LobsterError(f"{error}: start it (hft up), or replay with --offline") from None
    except Refusal as refusal:
        raise LobsterError(f"the engine at {address} refuses the replay: {refusal}") from None
    finally:
        client.close()


def prepare(client: Client, day: Day, symbol: str) -> tuple[Session, Instrument]:
    """Opens the accounts, defines the symbol where it is missing, and sees to it that its book is empty."""
    session = client.connect()
    if symbol not in {one.symbol for one in session.instruments}:
        client.administer(plans.instrument(day, symbol))
    for account in ACCOUNTS:
        if account not in session.account_ids:
            client.administer(DefineAccount(account=account, deposit=DEPOSIT))
    client.connect()
    client.submit([CancelAll(account=account, symbol=symbol) for account in ACCOUNTS[:CROWD]])
    book = client.depth(symbol, 1)
    if book.bids or book.asks:
        raise LobsterError(
            f"{symbol}: its book must be empty, and orders of other accounts rest on it: "
            "cancel them, or name a new symbol with --symbol"
        )
    session = client.connect()
    return session, next(one for one in session.instruments if one.symbol == symbol)


class Replay:
    """The sending and the receiving of one day."""

    def __init__(self, client: Client, session: Session, instrument: Instrument, day: Day, result: Result) -> None:
        self._client = client
        self._symbol = instrument.symbol
        self._scale = Scale(Decimal(instrument.tick_size), Decimal(instrument.lot_size))
        self._ticks: dict[str, int] = {}
        self._day = day
        self._plan: Plan = result.plan
        self._result = result
        self._sent: deque[Sent] = deque()
        self._levels = np.zeros((self._plan.rows, 2, day.levels, 2), np.int64)
        self._commands = encode(
            self._plan.instructions,
            accounts=[session.account_ids[name] for name in ACCOUNTS],
            instruments=[instrument.instrument_id],
            tag=session_tag(session),
            strategy=STRATEGY,
        )

    def run(self, speed: float | None, progress: Progress | None) -> NDArray[np.int64]:
        """The engine's levels after each row, (rows, 2, levels, 2); fewer rows where the user interrupts."""
        began_s = time.monotonic()
        first_ns = int(self._day.time_ns[0])
        with interrupt_noted() as interrupted:
            for row in range(self._plan.rows):
                if speed is not None:
                    due_s = began_s + (int(self._day.time_ns[row]) - first_ns) / 1e9 / speed
                    self._wait(due_s, interrupted)
                if interrupted.is_set():
                    self._receive(0)
                    self._result.stopped = True
                    return self._levels[:row]
                self._send(row)
                self._receive(IN_FLIGHT)
                if progress is not None and (row % PROGRESS_ROWS == 0 or speed is not None):
                    progress(row, self._plan.rows)
            self._receive(0)
        return self._levels

    def _wait(self, due_s: float, interrupted: threading.Event) -> None:
        """Until that monotonic time; what is on its way is taken in first."""
        if due_s > time.monotonic():
            self._receive(0)
        while (left_s := due_s - time.monotonic()) > 0 and not interrupted.is_set():
            interrupted.wait(min(left_s, 0.5))

    def _send(self, row: int) -> None:
        first, end = self._plan.span(row)
        if end > first:
            batch = self._commands[first:end]
            batch["transact_ns"] = self._plan.transact_ns[row]
            self._sent.append(Sent(self._client.send_records(batch), row, "records"))
        if row in self._plan.prints:
            self._sent.append(Sent(self._client.send(as_json(self._plan.prints[row])), row, "print"))
        self._sent.append(Sent(self._client.send_depth(self._symbol, self._day.levels), row, "depth"))

    def _receive(self, most: int) -> None:
        """Takes in answers until at most that many are still to come."""
        while len(self._sent) > most:
            number, payload = self._client.receive()
            sent = self._sent.popleft()
            if number != sent.number:
                raise LobsterError("the engine lost an answer: was it restarted? Replay the day again")
            self._take(sent, payload)

    def _take(self, sent: Sent, payload: bytes) -> None:
        if sent.kind == "records":
            self._result.count(in_records(payload))
        elif sent.kind == "print":
            reply: Reply = in_json(payload, Reply)
            self._result.printed += self._result.count_one(reply.outcome == Outcome.ACCEPTED.wire, reply.reason)
        else:
            book: Book = in_json(payload, Book)
            for side, found in enumerate((book.bids, book.asks)):
                for place, (price, quantity, _) in enumerate(found):
                    self._levels[sent.row, side, place] = self._price(price), int(quantity)

    def _price(self, text: str) -> int:
        """Ticks; a day has few prices and many rows."""
        ticks = self._ticks.get(text)
        if ticks is None:
            ticks = self._ticks[text] = self._scale.ticks(Decimal(text))
        return ticks
