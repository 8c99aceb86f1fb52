"""The backtest on an exchange: the recorded market's commands and the strategies' meet in the engine's own core, so
that an order queues behind the real ones that were there before it, fills in parts as they do, and pays what it pays
live.

Time is the market's. News reaches a strategy after its latency, and what it sends reaches the exchange after another;
at one moment the recorded market goes first. The market does not answer: whoever traded against a strategy's order does
later what it did on the day.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Sequence
from decimal import Decimal
from itertools import count
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.core import Core
from engine.decode import decode
from engine.layout import COMMAND
from engine.messages import DefineAccount, Deposit, Fees, OrderCommand, OrderEvent, OrderList
from engine.refusal import Refusal
from engine.segments import Frame
from engine.units import MONEY_DECIMALS
from engine.words import Source
from streams.backtest import latency as latencies
from streams.backtest.accounting import Accounts, BookedFill, Marks
from streams.backtest.latency import Latency
from streams.backtest.market import Market, Numbering
from streams.backtest.observer import Observer
from streams.backtest.order_log import OrderLog
from streams.backtest.result import ORDERS, Result, frame
from streams.backtest.seats import MOST_ANSWERS, Endless, Entrant
from streams.strategies.desk import Desk
from streams.strategies.events import Event, OrderUpdate, Timer
from streams.strategies.instrument import Listed
from streams.strategies.running import Running
from streams.strategies.session import Session, timer_ns

MONEY: Final = 10**MONEY_DECIMALS
SECOND_NS: Final = 10**9


class Plan(NamedTuple):
    """What a backtest on an exchange assumes."""

    latency: Latency = latencies.NONE
    cash: Decimal = Decimal(1_000_000)
    """Deposit of every account."""
    margin_multiple: Decimal = Decimal(0)
    """Buying power as a multiple of equity; 0: not checked."""
    maker_fee_ppm: int | None = None
    """None: the instrument's."""
    taker_fee_ppm: int | None = None
    book_ns: int = 50_000_000
    """A book is told at most this often, as the topic `books` does; 0: after every change."""
    levels: int = 10
    mark_ns: int = SECOND_NS
    """How often equity is noted."""
    start_ns: int = 0
    """Strategies begin here; the market before it makes the book."""


class Due(NamedTuple):
    """Something that is on its way."""

    ts_ns: int
    order: int
    seat: int
    event: Event | None
    command: OrderCommand | None


class Seat(NamedTuple):
    session: Session
    account: str

    @property
    def running(self) -> Running:
        return self.session.running

    @property
    def desk(self) -> Desk:
        return self.session.running.desk


def run(market: Market, entrants: Sequence[Entrant], plan: Plan) -> Result:
    """Plays the whole market.

    Raises:
        ParameterError: a strategy does not fit the market's instruments.
        Endless: a strategy answers itself without end, and no time passes.
    """
    began_s = time.perf_counter()
    backtest = ExchangeBacktest(market, entrants, plan)
    backtest.play()
    return backtest.result(time.perf_counter() - began_s)


class ExchangeBacktest:
    def __init__(self, market: Market, entrants: Sequence[Entrant], plan: Plan) -> None:
        self._market = market
        self._entrants = entrants
        self._plan = plan
        self.core = Core(max_orders=market.max_orders + 10_000)
        self._observer = Observer(self.core)
        self._numbering = Numbering({})
        self._seats: list[Seat] = []
        self._by_tag: dict[str, int] = {}
        self._mine: NDArray[np.uint32] = np.zeros(0, np.uint32)
        self._wanted: dict[int, list[int]] = {}
        """Seats that want the books of an instrument."""
        self._due: list[Due] = []
        self._order = count()
        self._last_news: dict[int, int] = {}
        self._last_sent: dict[int, int] = {}
        self._answers: dict[int, tuple[int, int]] = {}
        """The moment at which a seat last sent commands, and how many."""
        self._book_at: dict[int, int] = {}
        self._book_due: dict[int, int] = {}
        self._marks: dict[int, list[tuple[int, int]]] = {}
        self._log = OrderLog()
        self._accounts: Accounts | None = None
        self._units: dict[str, Listed] = {}
        self._events = 0
        self._is_over = False
        self.now_ns = 0

    # ------------------------------------------------------------------------------------------------------- time

    def play(self) -> None:
        for one in self._market.frames(self.core):
            ts_ns = one.ts_ns
            if not self._seats and self._is_ready(one, ts_ns):
                self._open(ts_ns)
            self._until(ts_ns)
            self.now_ns = max(self.now_ns, ts_ns)
            self._apply(one)
        self._is_over = True
        self._until(2**63 - 1)

    def _is_ready(self, one: Frame, ts_ns: int) -> bool:
        """Strategies begin with the first order at or after the start: then the instruments are known."""
        return one.records is not None and ts_ns >= self._plan.start_ns

    def _until(self, ts_ns: int) -> None:
        """Everything that is due before a moment."""
        while True:
            book = min(self._book_due.items(), key=lambda item: item[1], default=(0, ts_ns))
            if self._due and self._due[0].ts_ns < ts_ns and self._due[0].ts_ns <= book[1]:
                due = heapq.heappop(self._due)
                self.now_ns = max(self.now_ns, due.ts_ns)
                if due.event is not None:
                    self._deliver(due.seat, due.event, due.ts_ns)
                elif due.command is not None:
                    self._arrive(due.seat, due.command, due.ts_ns)
            elif self._book_due and book[1] < ts_ns:
                self._tell_book(book[0], book[1])
            else:
                return

    def _open(self, ts_ns: int) -> None:
        """Accounts and desks of the strategies."""
        self._units = {entry.definition.symbol: self._observer.unit(entry.number) for entry in self.core.instruments}
        accounts = dict.fromkeys(one.account for one in self._entrants)
        for account in accounts:
            self._administer(
                ts_ns,
                DefineAccount(account=account, deposit=self._plan.cash, margin_multiple=self._plan.margin_multiple),
            )
            if self._plan.maker_fee_ppm is not None or self._plan.taker_fee_ppm is not None:
                self._administer(
                    ts_ns,
                    Fees(
                        account=account,
                        maker_fee_ppm=self._plan.maker_fee_ppm,
                        taker_fee_ppm=self._plan.taker_fee_ppm,
                    ),
                )
        cash = int(self._plan.cash * MONEY)
        self._accounts = Accounts(self._units, dict.fromkeys(accounts, cash))
        for one in self._entrants:
            running = Running(
                one.kind,
                one.parameters,
                account=one.account,
                tag=one.name,
                instruments=self._units,
                cash=self._plan.cash,
                name=one.name,
            )
            self._by_tag[one.name] = len(self._seats)
            self._seats.append(Seat(Session(running), one.account))
        numbers = [self.core.accounts.find(account) for account in accounts]
        self._mine = np.array([found.number for found in numbers if found is not None], np.uint32)
        for entry in self.core.instruments:
            symbol = entry.definition.symbol
            seats = [k for k, seat in enumerate(self._seats) if symbol in seat.session.symbols]
            if seats:
                self._wanted[entry.number] = seats
        for place, seat in enumerate(self._seats):
            self._send(place, seat.session.start(), ts_ns)
            if timer_ns(seat.session):
                self._push(ts_ns + timer_ns(seat.session), place, Timer(ts_ns + timer_ns(seat.session)), None)

    def _administer(self, ts_ns: int, command: DefineAccount | Fees | Deposit) -> None:
        self.core.administer(self.core.last_seq + 1, ts_ns, command)

    # -------------------------------------------------------------------------------------------------- the exchange

    def _apply(self, one: Frame) -> None:
        """The recorded market's next commands."""
        if one.entry is not None:
            reports = self.core.administer(self.core.last_seq + 1, one.ts_ns, one.entry.command).reports
        else:
            assert one.records is not None
            self._numbering.apply(one.records, self.core.last_seq + 1)
            reports = self.core.apply(one.records).reports
        self._look(reports, one.ts_ns)

    def _arrive(self, place: int, command: OrderCommand, ts_ns: int) -> None:
        """A strategy's command is at the exchange."""
        try:
            records = decode(command, self.core.instruments, self.core.accounts)
        except Refusal as refusal:
            self._refuse(place, command, refusal, ts_ns)
            return
        records = np.array(records, COMMAND)
        records["ts_ns"] = ts_ns
        records["source"] = int(Source.SYSTEM)
        records["seq"] = np.arange(self.core.last_seq + 1, self.core.last_seq + 1 + len(records))
        self._look(self.core.apply(records).reports, ts_ns)

    def _refuse(self, place: int, command: OrderCommand, refusal: Refusal, ts_ns: int) -> None:
        names = [leg.client_order_id for leg in command.orders] if isinstance(command, OrderList) else [None]
        for name in names:
            client_order_id = name or getattr(command, "client_order_id", None) or ""
            update = OrderUpdate(
                symbol=getattr(command, "symbol", None) or "",
                ts_ns=ts_ns,
                client_order_id=client_order_id,
                exec_type="rejected",
                order_status="rejected",
                reason=refusal.reason.wire,
            )
            self._log.refused(client_order_id, refusal.reason.wire, ts_ns)
            self._news(place, update, ts_ns)

    def _look(self, reports: NDArray[Any], ts_ns: int) -> None:
        """What the reports say to whom."""
        if not self._seats or len(reports) == 0:
            return
        for event, update in self._observer.own(reports, self._mine):
            self._take_report(event, update)
        kinds = reports["exec_type"]
        if (kinds == 2).any() or (kinds == 9).any():
            for trade in self._observer.trades(reports):
                for place, seat in enumerate(self._seats):
                    if seat.session.wants(trade):
                        self._news(place, trade, ts_ns)
        for number in np.unique(reports["instrument"]).tolist():
            if number in self._wanted:
                self._change_book(number, ts_ns)

    def _take_report(self, event: OrderEvent, update: OrderUpdate) -> None:
        tag = event.client_order_id.rpartition("-")[0]
        place = self._by_tag.get(tag, self._by_tag.get(tag.rpartition("-")[0]))
        if place is None:
            return
        self._log.report(event)
        if update.is_fill:
            self._book_fill(place, event)
        self._news(place, update, event.ts_ns)

    def _book_fill(self, place: int, event: OrderEvent) -> None:
        assert self._accounts is not None
        assert event.last_quantity is not None
        assert event.last_price is not None
        unit = self._units[event.symbol]
        lots = unit.scale.lots(Decimal(event.last_quantity))
        sent = self._log.sent(event.client_order_id)
        self._accounts.book(
            BookedFill(
                event.ts_ns,
                event.account,
                self._seats[place].running.tag,
                event.symbol,
                lots if event.side == "buy" else -lots,
                unit.scale.ticks(Decimal(event.last_price)),
                int(Decimal(event.fee or "0") * MONEY),
                event.liquidity or "",
                event.client_order_id,
                sent.decided_ns,
                sent.decision_price,
            )
        )

    # ------------------------------------------------------------------------------------------------------- books

    def _change_book(self, number: int, ts_ns: int) -> None:
        if number in self._book_due:
            return
        last = self._book_at.get(number)
        if last is None or ts_ns - last >= self._plan.book_ns:
            self._tell_book(number, ts_ns)
        else:
            self._book_due[number] = last + self._plan.book_ns

    def _tell_book(self, number: int, ts_ns: int) -> None:
        self._book_due.pop(number, None)
        self._book_at[number] = ts_ns
        book = self._observer.book(number, self._plan.levels, ts_ns)
        self._mark(number, book.bids[0][0] if book.bids else 0.0, book.asks[0][0] if book.asks else 0.0, ts_ns)
        for place in self._wanted[number]:
            if self._seats[place].session.wants(book):
                self._news(place, book, ts_ns)

    def _mark(self, number: int, bid: float, ask: float, ts_ns: int) -> None:
        if not bid or not ask or bid >= ask:
            return
        marks = self._marks.setdefault(number, [])
        unit = self._observer.unit(number)
        half = unit.ticks(bid) + unit.ticks(ask)
        if marks and ts_ns < marks[-1][0] + self._plan.mark_ns:
            return
        marks.append((ts_ns, half))

    # -------------------------------------------------------------------------------------------------- both ways

    def _push(self, ts_ns: int, place: int, event: Event | None, command: OrderCommand | None) -> None:
        heapq.heappush(self._due, Due(ts_ns, next(self._order), place, event, command))

    def _news(self, place: int, event: Event, ts_ns: int) -> None:
        """On its way to a strategy."""
        due_ns = max(ts_ns + self._plan.latency.news.next_ns(), self._last_news.get(place, 0))
        self._last_news[place] = due_ns
        self._push(due_ns, place, event, None)

    def _deliver(self, place: int, event: Event, ts_ns: int) -> None:
        self._events += 1
        session = self._seats[place].session
        self._send(place, session.deliver(event), ts_ns)
        session.signals.clear()
        if isinstance(event, Timer) and not self._is_over:
            after = ts_ns + timer_ns(session)
            self._push(after, place, Timer(after), None)

    def _send(self, place: int, commands: Sequence[OrderCommand], ts_ns: int) -> None:
        """On their way to the exchange."""
        if commands:
            moment, answers = self._answers.get(place, (ts_ns, 0))
            answers = len(commands) + (answers if moment == ts_ns else 0)
            if answers > MOST_ANSWERS:
                raise Endless(self._seats[place].running.tag, ts_ns)
            self._answers[place] = (ts_ns, answers)
        for command in commands:
            due_ns = max(ts_ns + self._plan.latency.orders.next_ns(), self._last_sent.get(place, 0))
            self._last_sent[place] = due_ns
            symbol = getattr(command, "symbol", None) or ""
            price = self._seats[place].desk.last_price(symbol) if symbol else None
            self._log.send(command, self._seats[place].running.tag, ts_ns, due_ns, math.nan if price is None else price)
            self._push(due_ns, place, None, command)

    # -------------------------------------------------------------------------------------------------- the outcome

    def result(self, seconds: float) -> Result:
        accounts = self._accounts or Accounts({}, {})
        marks = {}
        for number, rows in self._marks.items():
            columns = np.array(rows, np.int64).T
            marks[self._observer.unit(number).symbol] = Marks(columns[0], columns[1])
        plan = self._plan
        return Result(
            equity=accounts.equity_frame(marks),
            orders=frame(self._log.rows(), ORDERS),
            fills=accounts.fill_frame(),
            trades=accounts.trade_frame(marks),
            marks=accounts.mark_frame(marks),
            starting_cash=float(sum(accounts.starting.values())) / MONEY,
            assumptions={
                "data": self._market.name,
                "fills": "the engine's matcher; orders queue behind those that were there",
                "latency": str(plan.latency),
                "books": f"the best {plan.levels} levels, at most every {plan.book_ns / 1e6:g} ms",
                "fees": "the instrument's" if plan.taker_fee_ppm is None else f"taker {plan.taker_fee_ppm} ppm",
                "impact": "none after the fill: the recorded market does what it did",
            },
            parameters={
                seat.running.tag: {
                    name: getattr(seat.running.strategy.parameters, name)
                    for name in seat.running.strategy.parameters.__struct_fields__
                }
                for seat in self._seats
            },
            strategies=tuple(seat.running.tag for seat in self._seats),
            held_back=sum(seat.desk.held_back for seat in self._seats),
            events=self._events,
            seconds=seconds,
        )
