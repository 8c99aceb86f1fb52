"""What positions and P&L must be, by exact fractions: the audit's own arithmetic.

It shares no code with the ledger and takes another way where there is one: realized P&L follows from the cash that has
flowed (realized = cash + cost of what is held), not from what each closing fill has earned; first in, first out is what
is left of the lots that were opened last.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

from engine import messages

MONEY: Final = 1_000_000
AVERAGE: Final = 1_000_000_000


class Impossible(ValueError):
    """A fill that no market makes."""


class Steps(NamedTuple):
    """What a tick and a lot of an instrument are, and what a tick × lot is in units of 1e-6."""

    tick: Fraction
    lot: Fraction
    unit: int

    @classmethod
    def of(cls, instrument: messages.Instrument) -> Steps:
        tick, lot = Fraction(instrument.tick_size), Fraction(instrument.lot_size)
        unit = tick * lot * MONEY
        if unit.denominator != 1 or unit <= 0:
            raise Impossible(f"a tick × lot of {instrument.symbol} is {unit} units")
        return cls(tick, lot, unit.numerator)


@lru_cache(maxsize=500_000)
def whole(text: str, step: Fraction) -> int:
    """How many steps the number is. Raises `Impossible` where it is no whole number of them."""
    try:
        count = Fraction(text) / step
    except (ValueError, ZeroDivisionError):
        raise Impossible(f"{text!r} is not a number") from None
    if count.denominator != 1:
        raise Impossible(f"{text} is not a multiple of {step}")
    return count.numerator


def money(text: str) -> Decimal:
    """Units of 1e-6; never equal to anything where the text is no number."""
    try:
        return Decimal(text).scaleb(6)
    except InvalidOperation:
        return Decimal("NaN")


class Action(NamedTuple):
    """A split (`ratio`) or a cash dividend (`per_lot`), in ticks, lots and units of 1e-6."""

    seq: int
    ts_ns: int
    ratio: Fraction
    per_lot: int
    before: int
    after: int

    @classmethod
    def of(cls, record: messages.CorporateAction, steps: Steps) -> Action:
        """Raises `Impossible`."""
        ratio, per_lot = Fraction(1), Fraction(0)
        if record.action == "split" and record.new_shares and record.old_shares:
            ratio = Fraction(record.new_shares, record.old_shares)
        elif record.action == "dividend" and record.amount is not None:
            per_lot = Fraction(record.amount) * steps.lot * MONEY
        if (ratio == 1) == (per_lot == 0) or per_lot.denominator != 1:
            raise Impossible(f"the corporate action {record.seq} of {record.symbol} does nothing that can be done")
        before = 0 if record.price_before is None else whole(record.price_before, steps.tick)
        after = 0 if record.price_after is None else whole(record.price_after, steps.tick)
        return cls(record.seq, record.ts_ns, ratio, int(per_lot), before, after)

    def adjusted(self, ticks: int, unit: int) -> int:
        """What it makes of a price."""
        return round(ticks / self.ratio) - round(Fraction(self.per_lot, unit)) if ticks else 0


class Fill(NamedTuple):
    """One side of a trade, in lots, ticks and units of 1e-6."""

    seq: int
    report: int
    """Its place among the reports of that command."""
    lots: int
    ticks: int
    fee: int
    ts_ns: int
    tag: int
    """Of the strategy, as `Fills.tags` names it; 0 is none."""


class Fills:
    """The fills of one position in order, 56 bytes each."""

    WIDTH: Final = len(Fill._fields)

    def __init__(self) -> None:
        self._values = array("q")
        self.tags = [""]
        self.repeated = 0

    def add(self, fill: messages.Fill, steps: Steps) -> None:
        """Takes a fill; one at or below the last is a repeat and only counted. Raises `Impossible`."""
        lots, ticks = whole(fill.quantity, steps.lot), whole(fill.price, steps.tick)
        fee = money(fill.fee)
        if lots <= 0 or ticks <= 0 or fill.side not in ("buy", "sell") or fee != fee.to_integral_value():
            raise Impossible(f"{fill.side} {fill.quantity} at {fill.price}, fee {fill.fee}")
        if fill.seq <= 0 or fill.index < 0:
            raise Impossible(f"seq {fill.seq}, index {fill.index}")
        if self._values and (fill.seq, fill.index) <= tuple(self._values[-self.WIDTH : 2 - self.WIDTH]):
            self.repeated += 1
            return
        signed = lots if fill.side == "buy" else -lots
        tag = fill.strategy or ""
        if tag not in self.tags:
            self.tags.append(tag)
        self._values.extend((fill.seq, fill.index, signed, ticks, int(fee), fill.ts_ns, self.tags.index(tag)))

    def seq(self, number: int) -> int:
        """The seq of the fill with this number, from 0."""
        return self._values[number * self.WIDTH]

    def __len__(self) -> int:
        return len(self._values) // self.WIDTH

    def __iter__(self) -> Iterator[Fill]:
        for start in range(0, len(self._values), self.WIDTH):
            yield Fill(*self._values[start : start + self.WIDTH])


class Book(ABC):
    """What is held, fill by fill: of a position, or of the part that a strategy has traded. Money in units of 1e-6,
    quantities in lots."""

    def __init__(self) -> None:
        self.quantity = self.cash = self.fees = self.bought = self.sold = 0

    def count(self, fill: Fill, unit: int) -> None:
        """Takes the next fill; `unit` is what a tick × lot is worth."""
        before, lots, price = self.quantity, fill.lots, fill.ticks * unit
        self.quantity += lots
        self.cash -= lots * price
        self.fees += fill.fee
        if lots > 0:
            self.bought += lots
        else:
            self.sold -= lots
        if before == 0 or (before > 0) == (lots > 0):
            self._open(lots, price)
        elif abs(lots) < abs(before):
            self._close(abs(lots))
        else:
            self._clear()
            if self.quantity:
                self._open(self.quantity, price)

    def act(self, action: Action, unit: int) -> bool:
        """Counts a corporate action; whether it changed anything."""
        if not self.quantity:
            return False
        exact = self.quantity * action.ratio
        lots = int(exact)  # towards zero
        rest = exact - lots
        self.cash += self.quantity * action.per_lot + round(rest / action.ratio * action.before * unit)
        if action.ratio != 1:
            self._split(action.ratio, abs(rest), lots)
            self.quantity = lots
        return True

    @property
    def realized(self) -> int:
        return self.cash + self.cost

    @property
    @abstractmethod
    def cost(self) -> int:
        """What is held has cost this much; negative for a short position."""

    @property
    @abstractmethod
    def average(self) -> Fraction | None:
        """The average price of a lot in units, exactly; None when flat."""

    @abstractmethod
    def _open(self, lots: int, price: int) -> None:
        """So many lots (signed) more at this price."""

    @abstractmethod
    def _close(self, lots: int) -> None:
        """So many lots less, though not all."""

    @abstractmethod
    def _clear(self) -> None:
        """Nothing is held any more."""

    @abstractmethod
    def _split(self, ratio: Fraction, rest: Fraction, lots: int) -> None:
        """So many lots (signed) are left of what is held, and the rest of a lot is sold."""


class AverageBook(Book):
    """By average cost: a closed lot has cost what the average one did after the last increase."""

    def __init__(self) -> None:
        super().__init__()
        self._base_cost = self._base = self._closed = 0

    @property
    def cost(self) -> int:
        """Of the base's cost, the closed part is gone, rounded half to even."""
        if not self._closed:
            return self._base_cost
        return self._base_cost - round(Fraction(self._base_cost * self._closed, self._base))

    @property
    def average(self) -> Fraction | None:
        return Fraction(abs(self._base_cost), self._base) if self.quantity else None

    def _open(self, lots: int, price: int) -> None:
        self._base_cost, self._base, self._closed = self.cost + lots * price, abs(self.quantity), 0

    def _close(self, lots: int) -> None:
        self._closed += lots

    def _clear(self) -> None:
        self._base_cost = self._base = self._closed = 0

    def _split(self, ratio: Fraction, rest: Fraction, lots: int) -> None:
        cost, exact = self.cost, abs(self.quantity) * ratio
        self._base_cost = cost - round(cost * rest / exact) if lots else 0
        self._base, self._closed = abs(lots), 0


class FifoBook(Book):
    """First in, first out: what is held are the lots that were opened last."""

    def __init__(self) -> None:
        super().__init__()
        self._opened: deque[tuple[int, Fraction]] = deque()
        """(lots, price of each), oldest first; the first may be closed in part. A row at one price is one purchase."""
        self._joins = False
        """Whether the last one has not been split: what is bought at its price belongs to it."""
        self._kept, self._worth = 0, Fraction(0)
        """Lots in there, and their whole price."""

    @property
    def cost(self) -> int:
        sign = 1 if self.quantity > 0 else -1
        return sign * (int(self._worth) - self._gone)

    @property
    def _gone(self) -> int:
        """What the closed part of the first has cost, rounded half to even."""
        return round((self._kept - abs(self.quantity)) * self._opened[0][1]) if self._opened else 0

    @property
    def average(self) -> Fraction | None:
        return Fraction(abs(self.cost), abs(self.quantity)) if self.quantity else None

    def _open(self, lots: int, price: int) -> None:
        before = self._opened.pop()[0] if self._joins and self._opened and self._opened[-1][1] == price else 0
        self._opened.append((before + abs(lots), Fraction(price)))
        self._joins = True
        self._kept += abs(lots)
        self._worth += abs(lots) * price

    def _close(self, lots: int) -> None:
        while self._kept - self._opened[0][0] >= abs(self.quantity):
            oldest, price = self._opened.popleft()
            self._kept -= oldest
            self._worth -= oldest * price

    def _clear(self) -> None:
        self._opened.clear()
        self._kept, self._worth = 0, Fraction(0)

    def _split(self, ratio: Fraction, rest: Fraction, lots: int) -> None:
        """The rest comes off the oldest ones. Each purchase ends at a whole lot, and leaves what is over to the next
        one."""
        closed, gone = self._kept - abs(self.quantity), self._gone
        reached, cost, opened = Fraction(0), Fraction(0), list(self._opened)
        self._clear()
        for bought, price in opened:
            size, left = (bought - closed) * ratio, bought * price - gone
            closed = gone = 0
            sold = min(rest, size)
            rest -= sold
            reached += size - sold
            cost += left - round(left * sold / size)
            new = int(reached) - self._kept
            if new:
                self._opened.append((new, cost / new))
                self._kept += new
                self._worth += cost
                cost = Fraction(0)
        self._joins = False


BOOKS: Final[dict[str, type[Book]]] = {"average": AverageBook, "fifo": FifoBook}


class Replay:
    """One position and its strategies, fill by fill."""

    def __init__(self, fills: Fills, steps: Steps, method: str, actions: Sequence[Action] = ()) -> None:
        """`method`: how the account counts the cost of what it sells; `actions` are the symbol's, in order."""
        self.steps = steps
        self.seq, self.index, self.ts_ns = 0, -1, 0
        self.last_ticks = 0
        self.counted = 0
        self.changed: set[str] = set()
        """The strategies whose part the last one has changed."""
        self.strategies: dict[str, Book] = {}
        self.book = BOOKS[method]()
        self._method = method
        self._tags = fills.tags
        self._fills = iter(fills)
        self._next = next(self._fills, None)
        self._actions = deque(actions)

    @property
    def at(self) -> tuple[int, int]:
        return self.seq, self.index

    def next(self) -> bool:
        """Counts one more fill, or corporate action that finds anything held; false where there is none."""
        while self._actions and (self._next is None or self._actions[0].seq < self._next.seq):
            if self._act(self._actions.popleft()):
                return True
        fill = self._next
        if fill is None:
            return False
        self._next = next(self._fills, None)
        self.seq, self.index, self.ts_ns, self.last_ticks = fill.seq, fill.report, fill.ts_ns, fill.ticks
        self.counted += 1
        self.book.count(fill, self.steps.unit)
        self.changed.clear()
        if fill.tag:
            tag = self._tags[fill.tag]
            if tag not in self.strategies:
                self.strategies[tag] = BOOKS[self._method]()
            self.strategies[tag].count(fill, self.steps.unit)
            self.changed.add(tag)
        return True

    def _act(self, action: Action) -> bool:
        unit = self.steps.unit
        changed = {tag for tag, book in self.strategies.items() if book.act(action, unit)}
        if not self.book.act(action, unit) and not changed:
            return False
        self.seq, self.index, self.ts_ns, self.last_ticks = action.seq, 0, action.ts_ns, action.after
        self.changed = changed
        return True

    def through(self, seq: int) -> None:
        """Counts all up to command `seq`."""
        while True:
            waiting = [event.seq for event in (self._next, *list(self._actions)[:1]) if event is not None]
            if not waiting or min(waiting) > seq or not self.next():
                return

    def advance_to(self, at: tuple[int, int]) -> bool:
        """Counts the fills up to (seq, index); whether there is one of exactly that."""
        while self.at < at and self.next():
            pass
        return self.at == at

    def differences(self, record: messages.Position) -> list[str]:
        """Where the published record is not this position, with both numbers."""
        found = [
            *self._unlike(self.book, record),
            *_unequal("last_price", Fraction(record.last_price), self.last_ticks * self.steps.tick),
            *_unequal("ts_ns", record.ts_ns, self.ts_ns),
        ]
        named = [part.strategy for part in record.strategies]
        if sorted(named) != sorted(self.changed):
            found.append(f"strategies are {named}, must be {sorted(self.changed)}")
            return found
        for part in record.strategies:
            unlike = self._unlike(self.strategies[part.strategy], part)
            found += [f"{text} (strategy {part.strategy})" for text in unlike]
        return found

    def _unlike(self, book: Book, record: messages.Position | messages.StrategyPosition) -> list[str]:
        steps, average = self.steps, book.average
        found = [
            *_unequal("quantity", Fraction(record.quantity), book.quantity * steps.lot),
            *_unequal("cost", money(record.cost), book.cost),
            *_unequal("realized_pnl", money(record.realized_pnl), book.realized),
            *_unequal("fees", money(record.fees), book.fees),
            *_unequal("bought_quantity", Fraction(record.bought_quantity), book.bought * steps.lot),
            *_unequal("sold_quantity", Fraction(record.sold_quantity), book.sold * steps.lot),
        ]
        if average is None or record.average_price is None:
            if (average is None) != (record.average_price is None):
                found.append(f"average_price is {record.average_price}, must be {average}")
        else:
            exact = round(average / steps.unit * steps.tick * AVERAGE)
            found += _unequal("average_price", Fraction(record.average_price) * AVERAGE, exact)
        return found


def _unequal(field: str, published: Fraction | Decimal | int, exact: Fraction | int) -> list[str]:
    return [] if published == exact else [f"{field} is {published}, must be {exact}"]


class Sums:
    """Positions at their marks, added up."""

    def __init__(self) -> None:
        self.realized = self.unrealized = self.fees = self.gross = self.net = 0

    def add(self, book: Book, value: int) -> None:
        self.realized += book.realized
        self.unrealized += value - book.cost
        self.fees += book.fees
        self.gross += abs(value)
        self.net += value

    def plus(self, other: Sums, rate: Fraction) -> None:
        """The other's, each converted to the nearest unit."""
        for name in ("realized", "unrealized", "fees", "gross", "net"):
            setattr(self, name, getattr(self, name) + round(getattr(other, name) * rate))

    @property
    def profit(self) -> int:
        return self.realized + self.unrealized - self.fees

    def differences(self, record: messages.Pnl | messages.StrategyPnl | messages.CurrencyPnl) -> list[str]:
        found: list[str] = []
        for field, text, exact in (
            ("realized_pnl", record.realized_pnl, self.realized),
            ("unrealized_pnl", record.unrealized_pnl, self.unrealized),
            ("fees", record.fees, self.fees),
            ("gross_exposure", record.gross_exposure, self.gross),
            ("net_exposure", record.net_exposure, self.net),
        ):
            found += _unequal(field, money(text), exact)
        return found


class Account:
    """An account's P&L records in order."""

    def __init__(self, home: str = "", currencies: Mapping[str, str] | None = None) -> None:
        """`home` is the account's currency, `currencies` those of all symbols."""
        self.home = home
        self.currencies = currencies or {}
        self.replays: dict[str, Replay] = {}
        self.peaks: defaultdict[str, int] = defaultdict(int)
        """The highest profit of each strategy, and of the account (""): never below 0."""
        self.last: messages.Pnl | None = None

    def go_on_from(self, record: messages.Pnl) -> None:
        """The peaks so far are those of a record that is taken as it is."""
        self.peaks[""] = int(money(record.peak_equity) - money(record.deposits))
        for tag, part in record.strategies.items():
            self.peaks[tag] = int(money(part.peak_profit))

    def differences(self, record: messages.Pnl) -> list[str]:
        """Where the record's arithmetic is wrong for the positions and marks that it names; its symbols' replays must
        stand at the fills that it names."""
        found: list[str] = []
        whole_account = Sums()
        abroad: defaultdict[str, Sums] = defaultdict(Sums)
        parts: defaultdict[tuple[str, str], Sums] = defaultdict(Sums)
        for symbol, mark in record.marks.items():
            replay = self.replays[symbol]
            steps, book = replay.steps, replay.book
            price = Fraction(mark.price) / steps.tick * steps.unit
            value = round(price * book.quantity)
            found += _unequal(f"quantity of {symbol}", Fraction(mark.quantity), book.quantity * steps.lot)
            found += _unequal(f"unrealized_pnl of {symbol}", money(mark.unrealized_pnl), value - book.cost)
            currency = self.currencies.get(symbol, self.home)
            (whole_account if currency == self.home else abroad[currency]).add(book, value)
            for tag, part in replay.strategies.items():
                parts[tag, currency].add(part, round(price * part.quantity))
        if record.currencies.keys() != abroad.keys():
            return [*found, f"currencies are {sorted(record.currencies)}, must be {sorted(abroad)}"]
        rates = {self.home: Fraction(1)}
        for currency, sums in abroad.items():
            said = record.currencies[currency]
            found += [f"{text} (in {currency})" for text in sums.differences(said)]
            rates[currency] = self._rate(currency, said)
            whole_account.plus(sums, rates[currency])
        strategies: defaultdict[str, Sums] = defaultdict(Sums)
        for (tag, currency), sums in parts.items():
            strategies[tag].plus(sums, rates[currency])
        found += whole_account.differences(record)
        profit, peak = whole_account.profit, self._peak("", whole_account)
        deposits = int(money(record.deposits))
        for field, text, exact in (
            ("equity", record.equity, deposits + profit),
            ("peak_equity", record.peak_equity, deposits + peak),
            ("drawdown", record.drawdown, peak - profit),
        ):
            found += _unequal(field, money(text), exact)
        if record.strategies.keys() != strategies.keys():
            return [*found, f"strategies are {sorted(record.strategies)}, must be {sorted(strategies)}"]
        for tag, sums in strategies.items():
            found += [f"{text} (strategy {tag})" for text in self._of_strategy(tag, sums, record.strategies[tag])]
        return found

    def _rate(self, currency: str, said: messages.CurrencyPnl) -> Fraction:
        """What the currency is worth at the price that the record names, 0 where it names none."""
        if said.price is None or said.symbol not in (currency + self.home, self.home + currency):
            return Fraction(0)
        price = Fraction(said.price)
        return price if said.symbol == currency + self.home else 1 / price

    def _of_strategy(self, tag: str, sums: Sums, record: messages.StrategyPnl) -> list[str]:
        profit, peak = sums.profit, self._peak(tag, sums)
        return [
            *sums.differences(record),
            *_unequal("profit", money(record.profit), profit),
            *_unequal("peak_profit", money(record.peak_profit), peak),
            *_unequal("drawdown", money(record.drawdown), peak - profit),
        ]

    def _peak(self, tag: str, sums: Sums) -> int:
        self.peaks[tag] = max(self.peaks[tag], sums.profit)
        return self.peaks[tag]
