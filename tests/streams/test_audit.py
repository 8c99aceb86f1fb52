"""The audit finds what it must: sound books pass, and every way of making them wrong is caught, by name."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine import messages, topics
from engine.answers import HeldPosition, Positions
from engine.units import divide_half_even
from streams import corporate_actions, ledger, records, versions
from streams.audit import Audit, AuditResult
from streams.consumer import Cursor
from streams.engine_positions import COMPARED
from streams.marks import Follower, LastTrade, Market, TopOfBook, mark
from tests.streams import flow

Topics = dict[str, list[Any]]


class MemoryLog:
    """Records in lists; a topic is one partition."""

    def __init__(self, written: Topics, version: messages.TopicVersion = versions.FIRST) -> None:
        self._written = written
        self._version = version

    def end(self, topic: topics.Topic) -> Cursor:
        return {(topic.name, 0): len(self._written[topic.name])}

    def version(self) -> messages.TopicVersion:
        return self._version

    def values(self, topic: topics.Topic, end: Cursor, start: Cursor) -> Iterator[bytes]:
        for value in self._written[topic.name][start.get((topic.name, 0), 0) : end[topic.name, 0]]:
            yield value if isinstance(value, bytes) else messages.as_json(value)


class Prices(Follower):
    """A follower that is told its records instead of reading them."""

    def __init__(self) -> None:
        self.kind = "mid"
        self.scales, self.currencies = dict(flow.SCALES), {}
        self.books, self.trades, self.closes = {}, {}, {}

    def take(self, topic: str, record: Any) -> None:
        if topic == "instruments":
            self.currencies[record.symbol] = record.currency
        elif topic == "trades":
            self.trades[record.symbol] = LastTrade(record.price, record.seq, record.index, record.ts_ns)
        elif topic == "books":
            bid, ask = (side[0][0] if side else None for side in (record.bids, record.asks))
            self.books[record.symbol] = TopOfBook(bid, ask, record.seq, record.ts_ns)


def audited(written: Topics) -> AuditResult:
    return Audit(MemoryLog(written)).run()


def keep_books(market: list[flow.Record]) -> Topics:
    """All topics as the agents would fill them, in this process: a position after each fill, and P&L now and then."""
    written: Topics = defaultdict(list)
    holdings: dict[tuple[str, str], ledger.Holding] = {}
    latest: defaultdict[str, dict[str, messages.Position]] = defaultdict(dict)
    markets: defaultdict[str, Market] = defaultdict(Market)
    accounts: dict[str, messages.Account] = {}
    strategies: defaultdict[str, dict[str, dict[str, messages.StrategyPosition]]] = defaultdict(dict)
    published: dict[str, messages.Pnl] = {}
    follower = Prices()

    def publish_pnl(name: str) -> None:
        marks = {}
        for symbol, held in latest[name].items():
            price = mark("mid", markets[symbol], held, True, flow.SCALES[symbol])
            assert price is not None
            marks[symbol] = (price, flow.SCALES[symbol])
        exchange = follower.exchange(accounts[name].currency, latest[name])
        published[name] = records.pnl(
            accounts[name], published.get(name), latest[name], strategies[name], marks, exchange
        )
        written["pnl"].append(published[name])

    for number, (topic, _, record) in enumerate(market):
        written[topic].append(record)
        follower.take(topic, record)
        if topic == "accounts":
            accounts[record.account] = record
        elif topic == "trades":
            trade = LastTrade(record.price, record.seq, record.index, record.ts_ns, record.action_seq)
            markets[record.symbol] = markets[record.symbol]._replace(trade=trade)
        elif topic == "books":
            bid, ask = (side[0][0] if side else None for side in (record.bids, record.asks))
            book = TopOfBook(bid, ask, record.seq, record.ts_ns, record.action_seq)
            markets[record.symbol] = markets[record.symbol]._replace(book=book)
        elif topic == "corporate-actions":
            scale = flow.SCALES[record.symbol]
            action = corporate_actions.read(record, scale)
            for key in [key for key in holdings if key[1] == record.symbol and "|" not in key[0]]:
                tags = [tag for tag in flow.STRATEGIES if (f"{key[0]}|{tag}", key[1]) in holdings]
                part_keys = {tag: (f"{key[0]}|{tag}", key[1]) for tag in tags}
                part_keys = {tag: k for tag, k in part_keys.items() if holdings[k].quantity}
                if not holdings[key].quantity and not part_keys:
                    continue
                parts = []
                for changed in (key, *part_keys.values()):
                    holdings[changed] = corporate_actions.act(holdings[changed], action, scale.money_per_tick_lot)
                for tag, part_key in part_keys.items():
                    parts.append(records.strategy_position(str(tag), holdings[part_key], scale))
                    strategies[key[0]][str(tag)][record.symbol] = parts[-1]
                latest[key[0]][record.symbol] = records.position(*key, holdings[key], scale, parts, record.seq)
                written["positions"].append(latest[key[0]][record.symbol])
        elif topic == "fills":
            key, scale = (record.account, record.symbol), flow.SCALES[record.symbol]
            before = holdings.get(key, ledger.FLAT)
            execution = records.execution(record, scale)
            apply = getattr(ledger, "apply" if accounts[record.account].cost_method == "average" else "apply_fifo")
            holdings[key] = after = apply(before, execution, scale.money_per_tick_lot)
            if after is not before:
                parts = []
                if record.strategy is not None:
                    part_key = (f"{record.account}|{record.strategy}", record.symbol)
                    part = apply(holdings.get(part_key, ledger.FLAT), execution, scale.money_per_tick_lot)
                    holdings[part_key] = part
                    parts.append(records.strategy_position(record.strategy, part, scale))
                    strategies[record.account].setdefault(record.strategy, {})[record.symbol] = parts[0]
                latest[record.account][record.symbol] = records.position(*key, after, scale, parts, record.action_seq)
                written["positions"].append(latest[record.account][record.symbol])
        if number % 7 == 0 and topic == "trades":
            publish_pnl(flow.account_names(8)[number % 8])
    for name in accounts:
        publish_pnl(name)
    return written


@pytest.fixture(scope="module")
def market() -> list[flow.Record]:
    made = flow.Market(seed=3)
    return [
        *made.setup(),
        *made.commands(150),
        *made.split("AAPL", 3, 7),
        *made.dividend("MSFT", 25),
        *made.commands(100),
        *made.split("AAPL", 2, 1),
        *made.split("BTCUSD", 1, 3),
        *made.dividend("AAPL", 3),
        *made.commands(150),
    ]


@pytest.fixture
def books(market: list[flow.Record]) -> Topics:
    return keep_books(market)


def test_sound_books_pass(books: Topics) -> None:
    result = audited(books)
    assert result.ok, result.report()
    assert result.actions == 5
    assert (result.fills, result.positions, result.pnl) == tuple(len(books[n]) for n in ("fills", "positions", "pnl"))
    assert any(mark.source == "adjusted" for record in books["pnl"] for mark in record.marks.values())
    rates = [(record.currency, one.symbol) for record in books["pnl"] for one in record.currencies.values()]
    assert {("USD", "EURUSD"), ("EUR", "EURUSD")} <= set(rates)
    converted = sum(symbol is not None for _, symbol in rates)
    assert result.marks_checked == sum(len(record.marks) for record in books["pnl"]) + converted
    assert "differing  0" in result.report()


def test_repeated_and_unusable_fills_are_no_difference(market: list[flow.Record]) -> None:
    again = [record for record in market if record[0] == "fills"][:50]
    books = keep_books(market + again)
    books["fills"].insert(5, b"no json")
    books["fills"].insert(9, msgspec.structs.replace(books["fills"][9], quantity="0"))
    result = audited(books)
    assert result.ok, result.report()
    assert (result.fills_repeated, result.fills_unusable) == (50, 2)


def test_compacted_books_leave_only_their_marks_unchecked(books: Topics) -> None:
    last = {book.symbol: book for book in books["books"]}
    books["books"] = list(last.values())
    result = audited(books)
    assert result.ok, result.report()
    assert result.marks_gone > 0


# ----------------------------------------------------------------------------------- the engine's own positions


def engine_after(books: Topics, seq: int) -> Positions:
    """What the engine says after command `seq`: sums over the fills, without a ledger."""
    sums: defaultdict[tuple[str, str], dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(COMPARED, Decimal(0)))
    for fill in books["fills"]:
        if fill.seq <= seq:
            held, quantity, sign = (
                sums[fill.account, fill.symbol],
                Decimal(fill.quantity),
                1 - 2 * (fill.side == "sell"),
            )
            held["quantity"] += sign * quantity
            held["bought_quantity" if sign > 0 else "sold_quantity"] += quantity
            held["cash"] -= sign * quantity * Decimal(fill.price)
            held["fees"] += Decimal(fill.fee)
    for record in books["positions"]:  # what corporate actions did to them, as the published ones say it
        if record.last_seq <= seq and any(record.last_seq >= action.seq for action in books["corporate-actions"]):
            held = sums[record.account, record.symbol]
            held["quantity"] = Decimal(record.quantity)
            held["cash"] = Decimal(record.realized_pnl) - Decimal(record.cost)
    return Positions(
        last_seq=seq,
        positions=[
            HeldPosition(account=account, symbol=symbol, **{name: f"{number:f}" for name, number in held.items()})
            for (account, symbol), held in sums.items()
        ],
    )


def test_the_engines_own_positions_are_the_published_ones(books: Topics) -> None:
    last = books["fills"][-1].seq
    for seq in (last + 10, last, books["fills"][300].seq):
        result = Audit(MemoryLog(books), engine=engine_after(books, seq)).run()
        assert result.ok, result.report()
        assert f"{result.engine_positions} positions of the engine's own" in result.report()


@pytest.mark.parametrize("field", COMPARED)
def test_an_engine_that_holds_something_else_is_listed(books: Topics, field: str) -> None:
    said = engine_after(books, books["fills"][-1].seq)
    wrong = msgspec.structs.replace(said.positions[0], **{field: "987654"})
    result = Audit(MemoryLog(books), engine=msgspec.structs.replace(said, positions=[wrong, *said.positions[1:]])).run()
    assert result.differing == 1
    assert f"{wrong.account} {wrong.symbol}: the engine's own {field} is 987654" in result.differences[0]


def test_a_position_that_only_one_of_both_has_is_listed(books: Topics) -> None:
    said = engine_after(books, books["fills"][-1].seq)
    unknown = HeldPosition(
        account="nobody", symbol="AAPL", quantity="1", bought_quantity="1", sold_quantity="0", cash="-190", fees="0"
    )
    result = Audit(
        MemoryLog(books), engine=msgspec.structs.replace(said, positions=[unknown, *said.positions[1:]])
    ).run()
    assert "nobody AAPL: the engine's own position was never published" in result.report()
    assert f"{said.positions[0].symbol}: the engine's own bought_quantity is 0" in result.report()


def test_in_a_moving_market_the_engine_may_be_ahead_of_a_position_but_not_behind(books: Topics) -> None:
    last = books["fills"][-1].seq
    said = engine_after(books, last)
    lagging = {**books, "positions": books["positions"][:-1]}
    result = Audit(MemoryLog(lagging), moving=True, engine=said).run()
    assert not any("the engine's own" in text for text in result.differences), result.report()
    early = engine_after(books, books["fills"][100].seq)
    wrong = [msgspec.structs.replace(one, cash="1") for one in early.positions]
    result = Audit(MemoryLog(books), moving=True, engine=msgspec.structs.replace(early, positions=wrong)).run()
    assert any("the engine's own cash is 1" in text for text in result.differences), result.report()


# ------------------------------------------------------------------------------ a ledger that is wrong is caught


def without_guard(holding: ledger.Holding, execution: ledger.Execution) -> bool:
    return False


def relief_rounded_down(base_cost: int, base_quantity: int, closed: int) -> int:
    return base_cost * closed // base_quantity if closed else 0


def value_rounded_up(quantity: int, half_ticks: int, unit: int) -> int:
    return divide_half_even(quantity * half_ticks * unit, 2) + 1


def peak_from_zero(deposits: int, peak_profit: int, parts: Any) -> ledger.Totals:
    return SOUND_VALUE(deposits, 0, parts)


def converted_down(sums: ledger.Sums, rate: ledger.Rate) -> ledger.Sums:
    return ledger.Sums(*(amount * rate.numerator // rate.denominator for amount in sums))


def newest_first(layers: tuple[ledger.Layer, ...], lots: int) -> tuple[tuple[ledger.Layer, ...], int]:
    kept, released = SOUND_CLOSE(layers[::-1], lots)
    return kept[::-1], released


SOUND_VALUE = ledger.value_account
SOUND_CLOSE = ledger._close_oldest
SOUND_APPLY = ledger.apply

MUTATIONS: list[tuple[str, Callable[..., Any], str]] = [
    ("is_applied", without_guard, "comes after that of"),
    ("relief", relief_rounded_down, "cost is"),
    ("market_value", value_rounded_up, "unrealized_pnl of"),
    ("_close_oldest", newest_first, "cost is"),
    ("apply_fifo", SOUND_APPLY, "cost is"),
    ("value_account", peak_from_zero, "peak_equity is"),
    ("converted", converted_down, "unrealized_pnl is"),
]


@pytest.mark.parametrize(("name", "mutant", "said"), MUTATIONS, ids=[name for name, _, _ in MUTATIONS])
def test_a_mutated_ledger_is_caught(
    market: list[flow.Record], monkeypatch: pytest.MonkeyPatch, name: str, mutant: Callable[..., Any], said: str
) -> None:
    monkeypatch.setattr(ledger, name, mutant)
    again = [record for record in market if record[0] == "fills"][-20:]
    result = audited(keep_books(market + again))
    assert not result.ok
    assert any(said in text for text in result.differences), result.report()


# ------------------------------------------------------------------------- records that were tampered with are caught


def replace(books: Topics, topic: str, at: int, **values: Any) -> None:
    books[topic][at] = msgspec.structs.replace(books[topic][at], **values)


def drop_position(books: Topics) -> None:
    del books["positions"][100]


def repeat_position(books: Topics) -> None:
    books["positions"].insert(101, books["positions"][100])


def drop_last_position(books: Topics) -> None:
    del books["positions"][-1]


def move_average(books: Topics) -> None:
    at = next(n for n, record in enumerate(books["positions"]) if record.average_price)
    replace(books, "positions", at, average_price="1.00")


def move_quantity(books: Topics) -> None:
    replace(books, "positions", 50, quantity="12345")


def move_strategy(books: Topics) -> None:
    at = next(n for n, record in enumerate(books["positions"]) if record.strategies)
    part = msgspec.structs.replace(books["positions"][at].strategies[0], cost="777.00")
    replace(books, "positions", at, strategies=[part])


def forget_strategy(books: Topics) -> None:
    replace(
        books,
        "positions",
        next(n for n, record in enumerate(books["positions"]) if record.strategies),
        strategies=[],
    )


def move_strategy_profit(books: Topics) -> None:
    record = books["pnl"][-1]
    tag, part = next(iter(record.strategies.items()))
    wrong = msgspec.structs.replace(part, drawdown="-1.00")
    replace(books, "pnl", -1, strategies={**record.strategies, tag: wrong})


def move_action(books: Topics) -> None:
    replace(books, "corporate-actions", 0, price_before="190.77")


def forget_rest(books: Topics) -> None:
    replace(books, "corporate-actions", 0, rest_cash="0.00")


def forget_action(books: Topics) -> None:
    seq = books["corporate-actions"][-1].seq
    books["positions"] = [record for record in books["positions"] if record.last_seq != seq]


def mark_before_the_split(books: Topics) -> None:
    """The price is that of a book, but of before the split."""
    split = books["corporate-actions"][2]
    book = next(book for book in books["books"] if book.symbol == split.symbol and book.bids and book.asks)
    for at, record in enumerate(books["pnl"]):
        mark = record.marks.get(split.symbol)
        if mark is not None and mark.position_seq > split.seq and mark.quantity != "0":
            marks = {**record.marks, split.symbol: msgspec.structs.replace(mark, source="mid", seq=book.seq)}
            replace(books, "pnl", at, marks=marks)
            return


def _with_rate(books: Topics, **values: Any) -> None:
    at, record = next((n, one) for n, one in enumerate(books["pnl"]) if any(c.symbol for c in one.currencies.values()))
    name, one = next(iter(record.currencies.items()))
    replace(books, "pnl", at, currencies={**record.currencies, name: msgspec.structs.replace(one, **values)})


def move_rate(books: Topics) -> None:
    _with_rate(books, price="2.00000")


def move_currency(books: Topics) -> None:
    _with_rate(books, fees="5.00")


def convert_at_another_instrument(books: Topics) -> None:
    _with_rate(books, symbol="AAPL")


def invent_position(books: Topics) -> None:
    replace(books, "positions", 50, account="nobody")


def spoil_position(books: Topics) -> None:
    books["positions"].insert(7, b"{")


def move_equity(books: Topics) -> None:
    replace(books, "pnl", 5, equity="1.00")


def _with_mark(books: Topics, at: int, **values: Any) -> None:
    record = books["pnl"][at]
    symbol, mark = next((symbol, mark) for symbol, mark in record.marks.items() if mark.quantity != "0")
    marks = {**record.marks, symbol: msgspec.structs.replace(mark, **values)}
    replace(books, "pnl", at, marks=marks)


def name_another_fill(books: Topics) -> None:
    _with_mark(books, 30, position_seq=1)


def invent_trade(books: Topics) -> None:
    _with_mark(books, -1, source="last", seq=2)


def forget_symbol(books: Topics) -> None:
    record = books["pnl"][-1]
    replace(books, "pnl", -1, marks=dict(list(record.marks.items())[1:]))


def stale_deposit(books: Topics) -> None:
    books["accounts"].append(msgspec.structs.replace(books["accounts"][0], deposits="5.00"))


def stale_mark(books: Topics) -> None:
    symbol = next(symbol for symbol, mark in books["pnl"][-1].marks.items() if mark.quantity != "0")
    scale = flow.SCALES[symbol]
    top = [(scale.price_text(777), "1", 1)], [(scale.price_text(779), "1", 1)]
    books["books"].append(messages.Book(symbol=symbol, seq=10**9, ts_ns=0, bids=top[0], asks=top[1]))


def mark_within_a_crossed_book(books: Topics) -> None:
    """As an auction makes them: its middle is no price."""
    used = {
        (symbol, mark.seq) for record in books["pnl"] for symbol, mark in record.marks.items() if mark.source == "mid"
    }
    at, book = next((n, book) for n, book in enumerate(books["books"]) if (book.symbol, book.seq) in used)
    replace(books, "books", at, bids=[(book.asks[0][0], "1", 1)], asks=[(book.bids[0][0], "1", 1)])


def drop_last_pnl(books: Topics) -> None:
    name = books["fills"][-1].account
    books["pnl"] = books["pnl"][:-8] + [record for record in books["pnl"][-8:] if record.account != name]


TAMPERINGS: list[tuple[Callable[[Topics], None], str]] = [
    (drop_position, "no position"),
    (repeat_position, "comes after that of"),
    (drop_last_position, "last fills are not in it"),
    (move_average, "average_price is"),
    (move_quantity, "quantity is 12345"),
    (invent_position, "there is no such fill"),
    (move_rate, "equity is"),
    (move_currency, "(in "),
    (convert_at_another_instrument, "does not tell what it is worth"),
    (move_action, "price_before is"),
    (forget_rest, "rest_cash is"),
    (forget_action, "no position"),
    (mark_before_the_split, "only one of mark and position knows"),
    (move_strategy, "(strategy "),
    (forget_strategy, "strategies are []"),
    (move_strategy_profit, "drawdown is -1"),
    (spoil_position, "cannot be read"),
    (move_equity, "equity is"),
    (name_another_fill, "does not come next"),
    (invent_trade, "no trade of 2"),
    (forget_symbol, "is missing"),
    (stale_deposit, "the last deposits are"),
    (stale_mark, "is last marked at"),
    (drop_last_pnl, "last fills of"),
    (mark_within_a_crossed_book, "has None"),
]


@pytest.mark.parametrize(("tamper", "said"), TAMPERINGS, ids=[tamper.__name__ for tamper, _ in TAMPERINGS])
def test_a_tampered_record_is_caught(books: Topics, tamper: Callable[[Topics], None], said: str) -> None:
    tamper(books)
    result = audited(books)
    assert not result.ok
    assert any(said in text for text in result.differences), result.report()


def test_only_the_first_differences_are_shown(books: Topics) -> None:
    random.Random(1).shuffle(books["positions"])
    result = audited(books)
    assert result.differing > 20
    assert f"and {result.differing - 20:,} more" in result.report()


@pytest.mark.parametrize("lost", ["positions", "pnl"])
def test_in_a_moving_market_only_the_old_must_be_counted(
    books: Topics, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tail of an output is missing: it may be on its way as long as it is young."""
    cut = {**books, lost: books[lost][:-3]}
    assert not audited(cut).ok
    monkeypatch.setattr("streams.audit.IN_FLIGHT_NS", 10**15)
    young = Audit(MemoryLog(cut), moving=True).run()
    assert young.ok, young.report()
    assert young.in_flight > 0
    monkeypatch.setattr("streams.audit.IN_FLIGHT_NS", 0)
    assert not Audit(MemoryLog(cut), moving=True).run().ok


def test_what_is_made_anew_is_audited_from_where_it_begins(books: Topics) -> None:
    """Wrong positions, P&L of those, then all positions again: what stands before is no difference any more, but what
    is not made anew still is one."""
    wrong = [msgspec.structs.replace(record, cost="1234.56") for record in books["positions"]]
    *early, last = books["pnl"]
    written = {**books, "positions": [*wrong, *books["positions"]], "pnl": books["pnl"]}
    assert not audited(written).ok

    def version(pnl: int) -> messages.TopicVersion:
        return msgspec.structs.replace(versions.FIRST, version=2, begins=[len(wrong)], after={"pnl": [pnl]}, ts_ns=1)

    for pnl in (0, len(early), len(books["pnl"])):
        found = Audit(MemoryLog(written, version(pnl))).run()
        assert found.ok, found.report()
        assert found.positions == len(books["positions"])
    bad = msgspec.structs.replace(last, equity="1.00")
    assert not Audit(MemoryLog({**written, "pnl": [*early, bad]}, version(len(early)))).run().ok
    assert not Audit(MemoryLog({**written, "pnl": [*early, bad]}, version(len(books["pnl"])))).run().ok
    short = {**written, "positions": written["positions"][:-1]}
    assert not Audit(MemoryLog(short, version(0))).run().ok


def test_the_audit_imports_neither_the_ledger_nor_the_agents() -> None:
    code = "import streams.audit, sys; print(*(name for name in sys.modules if name.startswith('streams.')))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert sorted(said.split()) == [
        "streams.audit",
        "streams.consumer",
        "streams.engine_positions",
        "streams.lifecycle",
        "streams.metrics",
        "streams.recomputation",
        "streams.versions",
    ]
