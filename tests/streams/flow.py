"""A small market for tests, from a seed: trades with a fill for each side, books, orders, instruments, accounts."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
from confluent_kafka import Producer

from engine import messages, topics, units
from engine.units import Scale
from streams import candles as bars
from streams import records

INSTRUMENTS = {
    "AAPL": ("0.01", "1", 19_000),
    "MSFT": ("0.01", "1", 42_000),
    "BTCUSD": ("0.50", "0.0001", 136_000),
    "EURUSD": ("0.00001", "1000", 108_000),
}
SCALES = {symbol: Scale(Decimal(tick), Decimal(lot)) for symbol, (tick, lot, _) in INSTRUMENTS.items()}
CURRENCIES = {"MSFT": "EUR"}
"""Of the instruments that are not in USD."""
HOMES = ("USD", "USD", "EUR")
"""The currencies of the accounts, in turn."""
METHODS = ("average", "fifo")
"""Of the accounts in turn."""
STRATEGIES = ("maker", "momentum", None)
START_NS = 1_750_000_000_000_000_000
Record = tuple[str, str, Any]
"""Topic, key, message."""


def instruments() -> Iterator[Record]:
    for number, (symbol, (tick, lot, _)) in enumerate(INSTRUMENTS.items(), 1):
        yield (
            topics.INSTRUMENTS.name,
            symbol,
            messages.Instrument(
                symbol=symbol,
                instrument_id=number,
                tick_size=tick,
                lot_size=lot,
                price_min=tick,
                price_max="1000000",
                maker_fee_ppm=-20,
                taker_fee_ppm=30,
                currency=CURRENCIES.get(symbol, "USD"),
                description="",
                seq=number,
                ts_ns=START_NS + number,
            ),
        )


def account_names(count: int) -> list[str]:
    return [f"trader-{number}" for number in range(count)]


def accounts(count: int) -> Iterator[Record]:
    for number, name in enumerate(account_names(count), 1):
        seq = len(INSTRUMENTS) + number
        yield (
            topics.ACCOUNTS.name,
            name,
            messages.Account(
                account=name,
                account_id=number,
                currency=HOMES[number % 3],
                deposits="1000000.00",
                cost_method=METHODS[number % 2],
                seq=seq,
                ts_ns=START_NS + seq,
            ),
        )


def fee(ticks: int, lots: int, ppm: int, scale: Scale) -> int:
    return (ticks * lots * scale.money_per_tick_lot * ppm + 500_000) // 1_000_000


@dataclass
class Market:
    """Commands one after another: each makes 0 to 3 trades at one symbol, and sometimes a new book."""

    seed: int = 1
    accounts: int = 8
    book_every: int = 20
    seq: int = 1_000
    action_seqs: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    random: random.Random = field(init=False)
    mids: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.mids = {symbol: start for symbol, (_, _, start) in INSTRUMENTS.items()}
        self.names = account_names(self.accounts)
        self._held: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._traded: defaultdict[str, int] = defaultdict(int)
        self._last: dict[str, int] = {}
        self._rests: dict[str, tuple[Fraction, int]] = {}

    def setup(self) -> list[Record]:
        return [*instruments(), *accounts(self.accounts)]

    def commands(self, count: int) -> Iterator[Record]:
        """`count` commands that trade."""
        for _ in range(count):
            yield from self.command()

    def split(self, symbol: str, new: int, old: int) -> Iterator[Record]:
        """As the engine publishes it: every account gets whole lots, and the worth of the rest."""
        ratio, last = Fraction(new, old), self._last.get(symbol, 0)
        rest, cash = self._rests.get(symbol, (Fraction(0), 0))
        rest *= ratio
        for key in [key for key in self._held if key[1] == symbol]:
            exact = self._held[key] * ratio
            self._held[key] = int(exact)
            rest += exact - int(exact)
            cash -= round((exact - int(exact)) / ratio * last * SCALES[symbol].money_per_tick_lot)
        self._rests[symbol] = (rest, cash)
        self.mids[symbol] = max(50, round(self.mids[symbol] / ratio))
        yield from self._action(symbol, "split", round(last / ratio), new_shares=new, old_shares=old)

    def dividend(self, symbol: str, ticks: int) -> Iterator[Record]:
        """So many ticks for a unit of quantity."""
        scale = SCALES[symbol]
        rest, cash = self._rests.get(symbol, (Fraction(0), 0))
        held = sum(lots for (_, name), lots in self._held.items() if name == symbol)
        self._rests[symbol] = (rest, cash - held * ticks * scale.money_per_tick_lot)
        yield from self._action(symbol, "dividend", self._last[symbol] - ticks, amount=scale.price_text(ticks))

    def _action(self, symbol: str, action: str, after: int, **terms: Any) -> Iterator[Record]:
        self.seq += 1
        seq, scale, last = self.seq, SCALES[symbol], self._last.get(symbol, 0)
        rest, cash = self._rests[symbol]
        record = messages.CorporateAction(
            **{"new_shares": None, "old_shares": None, "amount": None, **terms},
            seq=seq,
            ts_ns=START_NS + seq * 1_000_003,
            symbol=symbol,
            action=action,
            price_before=scale.price_text(last) if last else None,
            price_after=scale.price_text(after) if last else None,
            bought_quantity=scale.quantity_text(self._traded[symbol]),
            sold_quantity=scale.quantity_text(self._traded[symbol]),
            rest_quantity=scale.quantity_text(int(rest)),
            rest_cash=units.money_text(cash),
        )
        self._last[symbol], self.action_seqs[symbol] = after, seq
        yield topics.CORPORATE_ACTIONS.name, symbol, record
        known = next(record for _, name, record in instruments() if name == symbol)
        yield topics.INSTRUMENTS.name, symbol, msgspec.structs.replace(known, action_seq=seq)
        yield (
            topics.BOOKS.name,
            symbol,
            messages.Book(symbol=symbol, seq=seq, ts_ns=record.ts_ns, bids=[], asks=[], action_seq=seq),
        )

    def command(self) -> Iterator[Record]:
        draw = self.random
        self.seq += draw.randint(1, 3)
        seq, ts_ns = self.seq, START_NS + self.seq * 1_000_003
        symbol = draw.choice(list(INSTRUMENTS))
        scale = SCALES[symbol]
        side, other = draw.choice([("buy", "sell"), ("sell", "buy")])
        taker = draw.choice(self.names)
        index = 1
        for match in range(1, draw.choice([1, 1, 1, 2, 3]) + 1):
            self.mids[symbol] += draw.randint(-2, 2)
            ticks, lots = self.mids[symbol], draw.choice([1, 3, 7, 10, 100, 250])
            trade_id = f"0.1.{seq}.m{match}"
            maker = draw.choice(self.names)
            sign = 1 if side == "buy" else -1
            self._held[taker, symbol] += sign * lots
            self._held[maker, symbol] -= sign * lots
            self._traded[symbol] += lots
            self._last[symbol] = ticks
            for account, word, liquidity, ppm in ((maker, other, "maker", -20), (taker, side, "taker", 30)):
                yield (
                    topics.FILLS.name,
                    symbol,
                    messages.Fill(
                        fill_id=f"0.1.{seq}.{index}",
                        trade_id=trade_id,
                        seq=seq,
                        index=index,
                        ts_ns=ts_ns,
                        transact_ns=0,
                        account=account,
                        symbol=symbol,
                        side=word,
                        quantity=scale.quantity_text(lots),
                        price=scale.price_text(ticks),
                        fee=units.money_text(fee(ticks, lots, ppm, scale)),
                        liquidity=liquidity,
                        order_id=str(seq - (liquidity == "maker")),
                        client_order_id=f"c{seq}-{liquidity}",
                        strategy=draw.choice(STRATEGIES),
                        action_seq=self.action_seqs[symbol],
                    ),
                )
                index += 1
            yield (
                topics.TRADES.name,
                symbol,
                messages.Trade(
                    trade_id=trade_id,
                    seq=seq,
                    index=index - 1,
                    ts_ns=ts_ns,
                    transact_ns=0,
                    symbol=symbol,
                    price=scale.price_text(ticks),
                    quantity=scale.quantity_text(lots),
                    aggressor_side=side,
                    action_seq=self.action_seqs[symbol],
                ),
            )
        if draw.random() < 1 / self.book_every:
            yield topics.BOOKS.name, symbol, self.book(symbol, seq, ts_ns)

    def book(self, symbol: str, seq: int, ts_ns: int) -> messages.Book:
        """A book around the mid; now and then a side is empty."""
        scale, mid, draw = SCALES[symbol], self.mids[symbol], self.random
        bids = [(scale.price_text(mid - 1 - n - draw.randint(0, 1)), scale.quantity_text(5 + n), 1) for n in range(3)]
        asks = [(scale.price_text(mid + 1 + n + draw.randint(0, 1)), scale.quantity_text(5 + n), 1) for n in range(3)]
        emptied = draw.random()
        return messages.Book(
            symbol=symbol,
            seq=seq,
            ts_ns=ts_ns,
            bids=[] if emptied < 0.1 else bids,
            asks=[] if emptied > 0.9 else asks,
            action_seq=self.action_seqs[symbol],
        )


def candles(trades: Iterable[messages.Trade]) -> Iterator[Record]:
    """The bars of the trades, shown after each of them and when they are closed."""
    charts: dict[str, bars.Chart] = {}
    for trade in trades:
        symbol, scale = trade.symbol, SCALES[trade.symbol]
        charts[symbol], closed = bars.take(charts.get(symbol, bars.EMPTY), records.tick(trade, scale))
        for is_closed, shown in ((True, closed), (False, bars.open_bars(charts[symbol]))):
            for interval_s, bar in shown:
                yield topics.CANDLES.name, symbol, records.candle(symbol, interval_s, bar, scale, closed=is_closed)


def changed(record: Any, **values: Any) -> bytes:
    """The record's JSON with other values."""
    return messages.as_json(msgspec.structs.replace(record, **values))


def changed_account(name: str, deposits: str) -> Record:
    """The account's record after a deposit."""
    number = int(name.rsplit("-", 1)[1]) + 1
    account = messages.Account(
        account=name,
        account_id=number,
        currency=HOMES[number % 3],
        deposits=deposits,
        cost_method=METHODS[number % 2],
        seq=900,
        ts_ns=START_NS + 900,
    )
    return topics.ACCOUNTS.name, name, account


def report(seq: int, index: int, exec_type: str, status: str, **values: Any) -> messages.OrderEvent:
    """An execution report of alice's order 7: buy 10 AAPL at 190."""
    fields: dict[str, Any] = {
        "seq": seq,
        "index": index,
        "ts_ns": START_NS + seq * 1_000,
        "transact_ns": 0,
        "exec_id": f"0.1.{seq}.{index}",
        "exec_type": exec_type,
        "order_status": status,
        "reason": None,
        "field": None,
        "text": None,
        "order_id": "7",
        "client_order_id": "c-7",
        "account": "alice",
        "symbol": "AAPL",
        "side": "buy",
        "order_type": "limit",
        "time_in_force": "day",
        "quantity": "10",
        "limit_price": "190.00",
        "filled_quantity": "0",
        "leaves_quantity": "10",
        "average_price": None,
        "last_quantity": None,
        "last_price": None,
        "liquidity": None,
        "fee": None,
        "strategy": "maker",
        "source": "rest",
    }
    return messages.OrderEvent(**{**fields, **values})


def order_events(count: int, first: int = 1_000, accounts: int = 5) -> Iterator[Record]:
    """`count` orders with 1 to 4 reports each, interleaved; every third one is left working."""
    lives = {
        0: [("new", "new", "0", "10")],
        1: [("new", "new", "0", "10"), ("canceled", "canceled", "0", "0")],
        2: [
            ("new", "new", "0", "10"),
            ("trade", "partially_filled", "4", "6"),
            ("rejected", "partially_filled", "4", "6"),
            ("trade", "filled", "10", "0"),
        ],
    }
    symbols = list(INSTRUMENTS)
    for step in range(4):
        for number in range(count):
            life = lives[number % 3]
            if step < len(life):
                exec_type, status, filled, leaves = life[step]
                traded = {"last_quantity": "4" if status != "filled" else "6", "last_price": "190.00"}
                symbol = symbols[number % len(symbols)]
                event = report(
                    first + step * count + number,
                    0,
                    exec_type,
                    status,
                    order_id=str(first + number),
                    client_order_id=f"c-{first + number}",
                    account=f"trader-{number % accounts}",
                    symbol=symbol,
                    filled_quantity=filled,
                    leaves_quantity=leaves,
                    **(traded if exec_type == "trade" else {}),
                )
                yield topics.ORDER_EVENTS.name, symbol, event


def produce(bootstrap: str, records: Iterator[Record] | list[Record]) -> int:
    """Sends the records and waits for all to be delivered; their number."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    count = 0
    for topic, key, message in records:
        while True:
            try:
                producer.produce(topic, messages.as_json(message), key.encode())
                break
            except BufferError:
                producer.poll(0.1)
        if topic == topics.CORPORATE_ACTIONS.name:
            assert producer.flush(60) == 0  # as the publisher does: no fill that names it comes first
        count += 1
    assert producer.flush(60) == 0
    return count
