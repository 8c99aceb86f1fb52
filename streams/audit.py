"""An independent audit: every published position and P&L record against what the fills, trades and books give.

It reads Kafka from the earliest record to the present end, and imports neither the ledger nor the agents. The last
positions are compared with the engine's own, where it is asked.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, Protocol

import msgspec

from engine import messages, topics
from engine.answers import Positions
from streams import versions
from streams.consumer import Cursor, log_bounds, place, read_to_end
from streams.engine_positions import COMPARED, numbers
from streams.recomputation import Account, Action, Fills, Impossible, Replay, Steps, money, whole

SHOWN: Final = 20
AGAIN_S: Final = 5.0
"""How long differences in a market that pauses are looked at again."""
IN_FLIGHT_NS: Final = 10_000_000_000
"""In a market that moves, what the newest record is older than by less than this may still be on its way."""
QUIET_S: Final = 1.5
POLL_S: Final = 0.25
READ: Final = (topics.CORPORATE_ACTIONS, topics.FILLS, topics.TRADES, topics.BOOKS, topics.POSITIONS, topics.PNL)


@dataclass
class AuditResult:
    """What was compared, and what differs."""

    fills: int = 0
    fills_repeated: int = 0
    fills_unusable: int = 0
    trades: int = 0
    books: int = 0
    positions: int = 0
    pnl: int = 0
    marks_checked: int = 0
    marks_gone: int = 0
    accounts: int = 0
    actions: int = 0
    engine_positions: int | None = None
    """Compared with the engine's own; None: it was not asked."""
    in_flight: int = 0
    """Not in its last record yet, but so young, in a market that moves, that it may be on its way."""
    differing: int = 0
    differences: list[str] = field(default_factory=list)
    """The first of them."""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.differing == 0

    def add(self, text: str) -> None:
        self.differing += 1
        if len(self.differences) < SHOWN:
            self.differences.append(text)

    def report(self) -> str:
        """For people: what was read and compared, then the first differences."""
        lines = [
            f"read       {self.fills:,} fills ({self.fills_repeated:,} repeated, {self.fills_unusable:,} unusable), "
            f"{self.trades:,} trades, {self.books:,} books",
            f"compared   {self.positions:,} position records, {self.pnl:,} P&L records of {self.accounts:,} accounts",
            f"marks      {self.marks_checked:,} are those of a book or trade; {self.marks_gone:,} name a book that "
            "compaction has removed",
        ]
        if self.actions:
            lines.append(f"actions    {self.actions:,} splits and dividends")
        if self.engine_positions is not None:
            lines.append(f"engine     {self.engine_positions:,} positions of the engine's own")
        if self.in_flight:
            lines.append(
                f"in flight  {self.in_flight:,} of the last {IN_FLIGHT_NS // 1_000_000_000} s, to be counted next"
            )
        lines.append(f"differing  {self.differing:,}   ({self.seconds:.1f} s)")
        lines += [f"  {text}" for text in self.differences]
        if self.differing > len(self.differences):
            lines.append(f"  … and {self.differing - len(self.differences):,} more")
        return "\n".join(lines)


def from_topics(
    bootstrap: str,
    *,
    mark: str = "mid",
    settle_s: float = 0.0,
    ask_engine: Callable[[], Positions] | None = None,
) -> AuditResult:
    """Audits all that the topics hold now; with `settle_s`, once nothing has been written for a moment, and where that
    finds differences again for `AGAIN_S`. Where the market still moves after `settle_s` seconds, what is younger than
    `IN_FLIGHT_NS` need not be in the last records yet. `mark` is what positions are valued at now. `ask_engine` gives
    the engine's own positions, which the published ones must be. Raises `KafkaException` where Kafka fails, and what
    `ask_engine` raises."""
    started = time.monotonic()
    engine = None if ask_engine is None else ask_engine()  # first, so that the topics have time to get there
    moving = settle_s > 0 and not settle(bootstrap, settle_s)
    result = Audit(KafkaLog(bootstrap), moving=moving, engine=engine, mark=mark).run()
    limit = time.monotonic() + min(AGAIN_S, settle_s)
    # A pause of the market is no proof that the agents have come to its end: what is missing may be on its way.
    while not result.ok and not moving and time.monotonic() < limit:
        moving = not settle(bootstrap, settle_s)
        result = Audit(KafkaLog(bootstrap), moving=moving, engine=engine, mark=mark).run()
    result.seconds = time.monotonic() - started
    return result


def settle(bootstrap: str, limit_s: float) -> bool:
    """Waits until the topics have not grown for `QUIET_S`; whether that was so within `limit_s`."""
    names = [topic.name for topic in READ]
    limit = time.monotonic() + limit_s
    bounds, since = log_bounds(bootstrap, names), time.monotonic()
    while time.monotonic() - since < QUIET_S:
        if time.monotonic() > limit:
            return False
        time.sleep(POLL_S)
        now = log_bounds(bootstrap, names)
        if now != bounds:
            bounds, since = now, time.monotonic()
    return True


class Tape:
    """The trades of one symbol: every price at every seq."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.ticks: list[int] = []

        self.last = (0, -1)
        self.matched: list[tuple[int, int]] = []
        """(seq, ticks) of those that the book has made: nothing else moves the engine's last price."""

    def add(self, seq: int, index: int, ticks: int, hidden: bool) -> None:
        """Takes a trade; a repeat of an earlier one changes nothing."""
        if (seq, index) > self.last:
            self.last = (seq, index)
            self.seqs.append(seq)
            self.ticks.append(ticks)
            if not hidden:
                self.matched.append((seq, ticks))

    def prices(self, seq: int) -> list[int]:
        start = bisect_left(self.seqs, seq)
        return self.ticks[start : bisect_left(self.seqs, seq + 1)]


class Log(Protocol):
    """Where the records come from."""

    def end(self, topic: topics.Topic) -> Cursor:
        """The present end of each partition."""

    def values(self, topic: topics.Topic, end: Cursor, start: Cursor) -> Iterator[bytes]:
        """The records from `start` (a partition that it does not name: the earliest) up to `end`, in order within a
        partition."""

    def version(self) -> messages.TopicVersion:
        """The version of the positions."""


class KafkaLog:
    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def end(self, topic: topics.Topic) -> Cursor:
        return {partition: end for partition, (_, end) in log_bounds(self._bootstrap, [topic.name]).items()}

    def version(self) -> messages.TopicVersion:
        return versions.present(self._bootstrap)

    def values(self, topic: topics.Topic, end: Cursor, start: Cursor) -> Iterator[bytes]:
        for batch in read_to_end(self._bootstrap, {p: start.get(p) or None for p in end}, name="audit"):
            for message in batch:
                name, partition, offset = place(message)
                if offset < end[name, partition]:
                    yield message.value() or b""


class Audit:
    def __init__(self, log: Log, *, moving: bool = False, engine: Positions | None = None, mark: str = "mid") -> None:
        """`mark`: what positions are valued at now, `mid`, `last` or `closing`. `moving`: records are still being
        written, so that the newest need not have been counted yet. `engine`: its own positions, asked for before the
        topics are read."""
        self._log = log
        self._version = log.version()
        self._moving = moving
        self._mark = mark
        self._engine = engine
        self._engine_holds = {} if engine is None else {(p.account, p.symbol): numbers(p) for p in engine.positions}
        self._published: dict[tuple[str, str], messages.Position] = {}
        """The last record of each position that holds no fill of a later command than the engine had applied."""
        self._later: set[tuple[str, str]] = set()
        """Positions with a record that does: all that the engine had was published by then."""
        self._times: list[tuple[int, int]] = []
        """(ts_ns, seq) of trades and books."""
        self._horizon = 0
        """What has a larger seq may be in flight."""
        self._result = AuditResult()
        self._steps: dict[str, Steps] = {}
        self._currencies: dict[str, str] = {}
        self._homes: dict[str, str] = {}
        """Account → its currency."""
        self._methods: dict[str, str] = {}
        """Account → how it counts the cost of what it sells."""
        self._deposits: defaultdict[str, list[str]] = defaultdict(list)
        self._deposited: dict[str, int] = {}
        """Account → seq of its latest deposit."""
        self._fills: defaultdict[tuple[str, str], Fills] = defaultdict(Fills)
        self._tapes: defaultdict[str, Tape] = defaultdict(Tape)
        self._actions: defaultdict[str, list[tuple[Action, messages.CorporateAction]]] = defaultdict(list)
        self._closes: defaultdict[str, dict[int, int]] = defaultdict(dict)
        """Symbol → seq of a close → ticks."""
        self._books: defaultdict[str, dict[int, Fraction | None]] = defaultdict(dict)
        """Symbol → seq → the mid in ticks, None where a side is empty or the book is crossed."""

    def run(self) -> AuditResult:
        # The ends are taken from the last link of the chain to the first, so that whatever is published while this
        # reads is not missed further up.
        pnl_end = self._log.end(topics.PNL)
        positions_end = self._log.end(topics.POSITIONS)
        self._read_reference()
        self._read_fills()
        self._read_trades()
        self._read_books()
        self._set_horizon()
        self._check_actions()
        self._compare_positions(positions_end)
        self._compare_engine()
        self._compare_pnl(pnl_end)
        return self._result

    # ------------------------------------------------------------------------------------------------- reading

    def _records(self, topic: topics.Topic, end: Cursor | None = None, start: Cursor | None = None) -> Iterator[Any]:
        """The records of a topic from `start` up to `end`, those that can be read."""
        decoder = msgspec.json.Decoder(topic.record)
        for value in self._log.values(topic, self._log.end(topic) if end is None else end, start or {}):
            try:
                yield decoder.decode(value)
            except msgspec.DecodeError:
                if topic is topics.FILLS:
                    self._result.fills_unusable += 1
                else:
                    self._result.add(f"{topic.name}: a record cannot be read: {value!r:.200}")

    def _read_reference(self) -> None:
        for instrument in self._records(topics.INSTRUMENTS):
            steps = self._steps[instrument.symbol] = Steps.of(instrument)
            self._currencies[instrument.symbol] = instrument.currency
            if instrument.closing_price is not None:
                self._closes[instrument.symbol][instrument.closing_seq] = whole(instrument.closing_price, steps.tick)
        for account in self._records(topics.ACCOUNTS):
            self._deposits[account.account].append(account.deposits)
            self._deposited[account.account] = account.seq
            self._methods[account.account] = account.cost_method
            self._homes[account.account] = account.currency

        for record in self._records(topics.CORPORATE_ACTIONS):
            self._result.actions += 1
            self._actions[record.symbol].append((Action.of(record, self._steps[record.symbol]), record))

    def _read_fills(self) -> None:
        for fill in self._records(topics.FILLS):
            steps = self._steps.get(fill.symbol)
            try:
                if steps is None:
                    raise Impossible(f"there is no instrument {fill.symbol}")
                if fill.account not in self._methods:
                    raise Impossible(f"there is no account {fill.account}")
                self._fills[fill.account, fill.symbol].add(fill, steps)
            except Impossible:
                self._result.fills_unusable += 1
        self._result.fills = sum(map(len, self._fills.values()))
        self._result.fills_repeated = sum(fills.repeated for fills in self._fills.values())

    def _set_horizon(self) -> None:
        if self._moving and self._times:
            newest = max(self._times)[0]
            old = [seq for ts_ns, seq in self._times if ts_ns <= newest - IN_FLIGHT_NS]
            self._horizon = max(old, default=0)

    def _missing(self, seq: int, text: str) -> None:
        """Something that came about with `seq` is not in the last record that should hold it."""
        if self._moving and seq > self._horizon:
            self._result.in_flight += 1
        else:
            self._result.add(text)

    def _read_trades(self) -> None:
        for trade in self._records(topics.TRADES):
            self._result.trades += 1
            self._times.append((trade.ts_ns, trade.seq))
            steps = self._steps.get(trade.symbol)
            if steps is not None:
                ticks = whole(trade.price, steps.tick)
                self._tapes[trade.symbol].add(trade.seq, trade.index, ticks, trade.hidden)

    def _read_books(self) -> None:
        for book in self._records(topics.BOOKS):
            self._result.books += 1
            self._times.append((book.ts_ns, book.seq))
            steps = self._steps.get(book.symbol)
            if steps is None:
                continue
            mid = None
            if book.bids and book.asks:
                bid, ask = whole(book.bids[0][0], steps.tick), whole(book.asks[0][0], steps.tick)
                mid = Fraction(bid + ask, 2) if bid < ask else None
            self._books[book.symbol][book.seq] = mid

    # ---------------------------------------------------------------------------------------- corporate actions

    def _check_actions(self) -> None:
        """What a corporate action says of prices and totals, and that over all accounts quantity and cash add up to
        what it left with none."""
        for symbol, actions in self._actions.items():
            steps, matched, last = self._steps[symbol], deque(self._tapes[symbol].matched), 0
            replays = [self._replay(key) for key in self._fills if key[1] == symbol]
            for action, record in actions:
                name = f"corporate action {action.seq} of {symbol}"
                while matched and matched[0][0] < action.seq:
                    last = matched.popleft()[1]
                after = action.adjusted(last, steps.unit)
                for replay in replays:
                    replay.through(action.seq)
                books = [replay.book for replay in replays]
                for what, said, exact in (
                    ("price_before", action.before, last),
                    ("price_after", action.after, after),
                    ("bought_quantity", Fraction(record.bought_quantity), sum(b.bought for b in books) * steps.lot),
                    ("sold_quantity", Fraction(record.sold_quantity), sum(b.sold for b in books) * steps.lot),
                    ("rest_quantity", Fraction(record.rest_quantity), -sum(b.quantity for b in books) * steps.lot),
                    ("rest_cash", money(record.rest_cash), -sum(book.cash for book in books)),
                ):
                    if said != exact:
                        self._result.add(f"{name}: {what} is {said}, must be {exact}")
                last = after

    # ----------------------------------------------------------------------------------------------- positions

    def _compare_positions(self, end: Cursor) -> None:
        replays: dict[tuple[str, str], Replay] = {}
        for record in self._records(topics.POSITIONS, end, versions.starts(self._version, end)):
            self._result.positions += 1
            key = (record.account, record.symbol)
            self._note_for_engine(key, record)
            name = f"position {record.account} {record.symbol} after {record.last_seq}.{record.last_index}"
            if key not in self._fills:
                self._result.add(f"{name}: there is no such fill")
                continue
            if key not in replays:
                replays[key] = self._replay(key)
            replay = replays[key]
            at = (record.last_seq, record.last_index)
            if at <= replay.at:
                self._result.add(f"{name}: comes after that of {replay.seq}.{replay.index}")
                continue
            while replay.next() and replay.at < at:
                self._result.add(f"fill {replay.seq}.{replay.index} of {record.account} {record.symbol}: no position")
            if replay.at != at:
                self._result.add(f"{name}: there is no such fill")
                continue
            for text in replay.differences(record):
                self._result.add(f"{name}: {text}")
        for key in self._fills:
            replay = replays[key] if key in replays else self._replay(key)
            left = []
            while replay.next():
                left.append(replay.seq)
            if left:
                self._missing(left[0], f"position {key[0]} {key[1]}: {len(left)} last fills are not in it")

    def _replay(self, key: tuple[str, str]) -> Replay:
        account, symbol = key
        actions = [action for action, _ in self._actions[symbol]]
        return Replay(self._fills[key], self._steps[symbol], self._methods[account], actions)

    def _note_for_engine(self, key: tuple[str, str], record: messages.Position) -> None:
        if self._engine is not None:
            if record.last_seq <= self._engine.last_seq:
                self._published[key] = record
            else:
                self._later.add(key)

    def _compare_engine(self) -> None:
        """The engine's own positions, and the published ones as they stood after the same command."""
        if self._engine is None:
            return
        keys = self._engine_holds.keys() | self._published.keys()
        self._result.engine_positions = len(keys)
        for key in sorted(keys):
            held = self._engine_holds.get(key, dict.fromkeys(COMPARED, Fraction(0)))
            record = self._published.get(key)
            for text in _unlike(held, None if record is None else _numbers(record)):
                text = f"position {key[0]} {key[1]}: the engine's own {text} (after command {self._engine.last_seq})"
                if key in self._later:
                    self._result.add(text)
                else:
                    self._missing(self._engine.last_seq, text)

    # ----------------------------------------------------------------------------------------------------- P&L

    def _compare_pnl(self, end: Cursor) -> None:
        accounts: dict[str, Account] = {}
        start = versions.starts(self._version, end)
        before: dict[str, messages.Pnl] = {}
        if any(start.values()):
            before = {record.account: record for record in self._records(topics.PNL, start)}
        for record in self._records(topics.PNL, end, start):
            self._compare_record(accounts, record, before)
        for name, record in before.items():  # nothing has changed since: the last one holds
            if name not in accounts:
                self._compare_record(accounts, record, before)
        self._result.accounts = len(accounts)
        for (name, symbol), fills in self._fills.items():
            if len(fills) and (name not in accounts or symbol not in accounts[name].replays):
                self._missing(fills.seq(0), f"P&L of {name}: {symbol} is in no record")
        for name, account in accounts.items():
            self._check_final(name, account)

    def _compare_record(
        self, accounts: dict[str, Account], record: messages.Pnl, before: dict[str, messages.Pnl]
    ) -> None:
        """`before`: the last records of another version of the positions, from whose peaks this one went on."""
        self._result.pnl += 1
        if record.account not in accounts:
            account = accounts[record.account] = Account(self._homes.get(record.account, ""), self._currencies)
            if record.account in before:
                account.go_on_from(before[record.account])
        account = accounts[record.account]
        name = f"P&L of {record.account} at {record.last_seq}"
        if self._place(account, record, name):
            for text in account.differences(record):
                self._result.add(f"{name}: {text}")
        for symbol, mark in record.marks.items():
            self._check_mark(f"{name}: {symbol}", symbol, mark)
        for currency, said in record.currencies.items():
            self._check_rate(f"{name}: {currency}", currency, self._homes.get(record.account, ""), said)
        account.last = record

    def _place(self, account: Account, record: messages.Pnl, name: str) -> bool:
        """Brings the account's positions to the fills that the record names; whether they exist."""
        placed = True
        for symbol in account.replays.keys() - record.marks.keys():
            self._result.add(f"{name}: {symbol} is missing")
            placed = False
        for symbol, mark in record.marks.items():
            key = (record.account, symbol)
            if symbol not in account.replays:
                if key not in self._fills:
                    self._result.add(f"{name}: there is no fill of {symbol}")
                    placed = False
                    continue
                account.replays[symbol] = self._replay(key)
            at = (mark.position_seq, mark.position_index)
            if not account.replays[symbol].advance_to(at):
                self._result.add(f"{name}: {symbol} names fill {at[0]}.{at[1]}, which does not come next")
                placed = False
        return placed

    def _check_rate(self, name: str, currency: str, home: str, said: messages.CurrencyPnl) -> None:
        """The price at which a currency was converted is one of an instrument that gives its worth."""
        wanted = {currency + home: home, home + currency: currency}
        if said.symbol is None or said.price is None or said.source is None or said.seq is None:
            return
        if self._currencies.get(said.symbol) != wanted.get(said.symbol, ""):
            self._result.add(f"{name}: {said.symbol} does not tell what it is worth")
            return
        self._check_price(name, said.symbol, said.price, said.source, said.seq)

    def _check_mark(self, name: str, symbol: str, mark: messages.Mark) -> None:
        if mark.quantity != "0":
            for action, _ in self._actions[symbol]:
                if (mark.seq >= action.seq) != (mark.position_seq >= action.seq):
                    self._result.add(f"{name}: only one of mark and position knows the corporate action {action.seq}")
        self._check_price(name, symbol, mark.price, mark.source, mark.seq)

    def _check_price(self, name: str, symbol: str, price: str, source: str, seq: int) -> None:
        steps = self._steps.get(symbol)
        if steps is None:
            return
        ticks = Fraction(price) / steps.tick
        if source == "closing":
            closes = self._closes[symbol]
            if seq not in closes:
                self._result.marks_gone += 1
                return
            if closes[seq] != ticks:
                self._result.add(f"{name}: the mark is {ticks} ticks, the close {seq} was {closes[seq]}")
        elif source == "adjusted":
            if ticks not in [action.after for action, _ in self._actions[symbol] if action.seq == seq]:
                self._result.add(f"{name}: the mark is {ticks} ticks, no corporate action {seq} left that")
        elif source == "mid":
            books = self._books[symbol]
            if seq not in books:
                self._result.marks_gone += 1
                return
            if books[seq] != ticks:
                self._result.add(f"{name}: the mark is {ticks} ticks, the book {seq} has {books[seq]}")
        elif ticks not in self._tapes[symbol].prices(seq):
            self._result.add(f"{name}: the mark is {ticks} ticks, but no trade of {seq} has that")
        self._result.marks_checked += 1

    def _check_final(self, name: str, account: Account) -> None:
        """The last record must hold all fills, the latest deposits, and the latest marks."""
        last = account.last
        if last is None:
            return
        if self._deposits[name] and money(last.deposits) != money(self._deposits[name][-1]):
            text = f"P&L of {name}: the last deposits are {last.deposits}, not {self._deposits[name][-1]}"
            self._missing(self._deposited[name], text)
        for currency, said in last.currencies.items():
            self._check_final_rate(f"P&L of {name}: {currency}", currency, account.home, said)
        for symbol, replay in account.replays.items():
            held = replay.book.quantity
            if replay.next():
                self._missing(replay.seq, f"P&L of {name}: the last fills of {symbol} are not in it")
            mark = last.marks.get(symbol)
            if mark is None or not held:
                continue
            source, ticks = self._final_mark(symbol)
            published = Fraction(mark.price) / replay.steps.tick
            if (mark.source, published) != (source, ticks):
                text = (
                    f"P&L of {name}: {symbol} is last marked at {mark.source} {published} ticks, not {source} {ticks}"
                )
                self._missing(self._next_mark(symbol, mark.seq, published), text)

    def _check_final_rate(self, name: str, currency: str, home: str, said: messages.CurrencyPnl) -> None:
        if said.symbol is None or said.price is None:
            for symbol, own in ((currency + home, home), (home + currency, currency)):
                if self._currencies.get(symbol) == own and self._tapes[symbol].seqs:
                    self._missing(self._tapes[symbol].seqs[-1], f"{name} is not converted, though {symbol} has a price")
            return
        source, ticks = self._final_mark(said.symbol)
        shown = Fraction(said.price) / self._steps[said.symbol].tick
        if (said.source, shown) != (source, ticks):
            text = f"{name} is last converted at {said.source} {shown} ticks, not {source} {ticks}"
            self._missing(self._next_mark(said.symbol, said.seq or 0, shown), text)

    def _next_mark(self, symbol: str, seq: int, ticks: Fraction) -> int:
        """The seq of the first book or trade after `seq` whose price is another one."""
        tape = self._tapes[symbol]
        later = [at for at, mid in self._books[symbol].items() if at > seq and mid != ticks]
        later += [at for at, price in zip(tape.seqs, tape.ticks, strict=True) if at > seq and price != ticks]
        later += [action.seq for action, _ in self._actions[symbol] if action.seq > seq]
        later += [at for at in self._closes[symbol] if at > seq]
        return min(later, default=seq)

    def _final_mark(self, symbol: str) -> tuple[str, Fraction | int | None]:
        since, after = 0, None
        for action, _ in self._actions[symbol]:
            since, after = action.seq, action.after
        books, closes, tape = self._books[symbol], self._closes[symbol], self._tapes[symbol]
        if self._mark == "mid" and books and max(books) >= since and books[max(books)] is not None:
            return "mid", books[max(books)]
        if self._mark == "closing" and closes and max(closes) > since:
            return "closing", closes[max(closes)]
        if tape.seqs and tape.seqs[-1] > since:
            return "last", tape.ticks[-1]
        return "adjusted", after


def _numbers(record: messages.Position) -> dict[str, Fraction]:
    """What the engine keeps too: cash is what the fills have brought, realized P&L − cost."""
    exact = {name: Fraction(getattr(record, name)) for name in COMPARED if name != "cash"}
    return exact | {"cash": Fraction(record.realized_pnl) - Fraction(record.cost)}


def _unlike(held: dict[str, Fraction], published: dict[str, Fraction] | None) -> list[str]:
    if published is None:
        return ["position was never published"] if any(held.values()) else []
    return [
        f"{name} is {_shown(held[name])}, the published {_shown(published[name])}"
        for name in COMPARED
        if held[name] != published[name]
    ]


def _shown(number: Fraction) -> Decimal:
    return Decimal(number.numerator) / number.denominator
