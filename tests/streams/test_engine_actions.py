"""From orders to the audit without servers: at corporate actions the engine and the books of account agree."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from engine.answers import HeldPosition, Positions
from engine.core import Core
from engine.layout import COMMAND
from engine.messages import (
    AdministrativeCommand,
    AdministrativeEntry,
    DefineAccount,
    DefineInstrument,
    Dividend,
    Split,
)
from engine.publication import Output, Publication
from engine.records import book_record
from engine.topics import BOOKS
from engine.units import money_text
from engine.words import CommandType, OrderType, Outcome, TimeInForce
from streams.audit import Audit
from tests.streams import flow
from tests.streams.test_audit import MemoryLog, keep_books

SYMBOLS = ("AAPL", "BTCUSD")
ACCOUNTS = flow.account_names(8)


class Exchange:
    """An engine and what it publishes."""

    def __init__(self, seed: int) -> None:
        self.core = Core(max_orders=2_000)
        self.publication = Publication(self.core)
        self.draw = random.Random(seed)
        self.published: list[flow.Record] = []
        self.mids: dict[str, int] = {}
        for symbol in SYMBOLS:
            tick, lot, start = flow.INSTRUMENTS[symbol]
            self.mids[symbol] = start
            step = Decimal(tick)
            self.do(
                DefineInstrument(
                    symbol=symbol,
                    tick_size=step,
                    lot_size=Decimal(lot),
                    price_min=step,
                    price_max=step * 260_000,
                    maker_fee_ppm=-20,
                    taker_fee_ppm=30,
                )
            )
        for number, name in enumerate(ACCOUNTS):
            self.do(DefineAccount(account=name, deposit=Decimal(10**6), cost_method=flow.METHODS[number % 2]))

    def _keep(self, outputs: Iterator[Output]) -> None:
        for topic, key, value, _, _ in outputs:
            self.published.append((topic.name, key, msgspec.json.decode(value, type=topic.record)))

    def do(self, command: AdministrativeCommand) -> None:
        seq = self.core.last_seq + 1
        applied = self.core.administer(seq, flow.START_NS + seq, command)
        assert applied.replies["outcome"][0] == Outcome.ACCEPTED, applied.replies
        reports = applied.reports.copy()
        entry = AdministrativeEntry(ts_ns=flow.START_NS + seq, source="system", actor="me", command=command)
        self._keep(self.publication.administrative(seq, entry))
        self._keep(self.publication.reports(reports))
        self.tell_books()

    def tell_books(self) -> None:
        for number in sorted(self.publication.take_changed()):
            book = book_record(self.core, number, 5, self.core.last_seq, flow.START_NS + self.core.last_seq)
            self.published.append((BOOKS.name, book.symbol, book))

    def trade(self, count: int) -> None:
        """Orders around a price, most of which meet another."""
        draw = self.draw
        records = np.zeros(count, COMMAND)
        for number, record in enumerate(records):
            symbol = draw.choice(SYMBOLS)
            seq = self.core.last_seq + 1 + number
            values: dict[str, Any] = {
                "seq": seq,
                "ts_ns": flow.START_NS + seq,
                "type": CommandType.NEW,
                "account": 1 + draw.randrange(len(ACCOUNTS)),
                "instrument": 1 + SYMBOLS.index(symbol),
                "side": draw.randint(1, 2),
                "order_type": OrderType.LIMIT,
                "time_in_force": TimeInForce.GTC,
                "quantity": draw.randint(1, 60),
                "limit_price": self.mids[symbol] + draw.randint(-3, 3),
                "strategy": (draw.choice(flow.STRATEGIES) or "").encode(),
                "client_order_id": f"c{seq}".encode(),
            }
            for name, value in values.items():
                record[name] = value
        self._keep(self.publication.reports(self.core.apply(records).reports))
        self.tell_books()

    def split(self, symbol: str, new: int, old: int) -> None:
        self.do(Split(symbol=symbol, new_shares=new, old_shares=old))
        self.mids[symbol] = self.mids[symbol] * old // new

    def positions(self) -> Positions:
        """What the engine holds, as it answers the audit."""
        held = []
        for number, name in enumerate(ACCOUNTS, 1):
            for place, symbol in enumerate(SYMBOLS, 1):
                numbers, scale = self.core.position(number, place), flow.SCALES[symbol]
                held.append(
                    HeldPosition(
                        account=name,
                        symbol=symbol,
                        quantity=scale.quantity_text(numbers.quantity),
                        bought_quantity=scale.quantity_text(numbers.bought),
                        sold_quantity=scale.quantity_text(numbers.sold),
                        cash=money_text(numbers.cash),
                        fees=money_text(numbers.fees),
                    )
                )
        return Positions(last_seq=self.core.last_seq, positions=held)


def test_the_engine_and_the_books_agree_through_splits_and_dividends() -> None:
    exchange = Exchange(seed=7)
    exchange.trade(300)
    exchange.split("AAPL", 3, 7)
    exchange.do(Dividend(symbol="BTCUSD", amount=Decimal("12.5")))
    exchange.trade(300)
    exchange.split("AAPL", 5, 2)
    exchange.split("BTCUSD", 2, 3)
    exchange.do(Dividend(symbol="AAPL", amount=Decimal("0.07")))
    exchange.trade(300)
    assert exchange.core.drift() == 0
    assert exchange.core.rest(1)[0] != 0, "some of it was paid in cash"
    books = keep_books(exchange.published)
    result = Audit(MemoryLog(books), engine=exchange.positions()).run()
    assert result.ok, result.report()
    assert (result.actions, result.engine_positions) == (5, 16)
    canceled = [r for topic, _, r in exchange.published if topic == "order-events" and r.reason == "corporate_action"]
    assert canceled
    assert all(record.leaves_quantity == "0" for record in canceled)


def test_the_state_after_an_action_is_the_same_at_every_replay() -> None:
    hashes = set()
    for _ in range(2):
        exchange = Exchange(seed=8)
        exchange.trade(200)
        exchange.split("AAPL", 1, 4)
        exchange.trade(50)
        hashes.add(exchange.core.state_hash())
    assert len(hashes) == 1
