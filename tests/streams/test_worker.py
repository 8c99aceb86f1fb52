"""The Faust worker as a real process: exact through kill -9, and never stopped by a record."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer

from engine import messages
from engine import topics as wire
from streams import audit, candles, order_flow, records
from streams.agents.order_flow import CountedEvent
from streams.agents.order_flow import counted as of_event
from streams.consumer import log_bounds, place, read_to_end
from tests.streams import flow, servers
from tests.streams.servers import Workers, wait_for

pytestmark = pytest.mark.integration


def settled(bootstrap: str) -> audit.AuditResult:
    """The audit once the worker has nothing left to do."""
    fills = servers.counts(bootstrap, "fills")["fills"]
    letters = sum(letter.topic == "fills" for letter in servers.records(bootstrap, wire.DEAD_LETTERS))
    wait_for(lambda: servers.has(bootstrap, "positions", fills - letters), "a position for each fill")
    return audit.from_topics(bootstrap, settle_s=30)


def raw(bootstrap: str, topic: str) -> Iterator[tuple[int, bytes]]:
    """Partition and value of each record."""
    for batch in read_to_end(bootstrap, dict.fromkeys(log_bounds(bootstrap, [topic]))):
        for message in batch:
            yield place(message).partition, message.value() or b""


def closed_candles(bootstrap: str) -> dict[int, list[messages.Candle]]:
    """Partition → the closed candles that follow from the partition of `trades` of the same number."""
    charts: defaultdict[int, dict[str, candles.Chart]] = defaultdict(dict)
    found: defaultdict[int, list[messages.Candle]] = defaultdict(list)
    decoder = msgspec.json.Decoder(messages.Trade)
    for partition, value in raw(bootstrap, "trades"):
        trade = decoder.decode(value)
        tick = records.tick(trade, flow.SCALES[trade.symbol])
        bars: list[tuple[str, int, candles.Bar]] = []
        for symbol in sorted(charts[partition]):
            charts[partition][symbol], closed = candles.settle(charts[partition][symbol], tick.ts_ns)
            bars += [(symbol, *ended) for ended in closed]
        before = charts[partition].get(trade.symbol, candles.EMPTY)
        charts[partition][trade.symbol], closed = candles.take(before, tick)
        bars += [(trade.symbol, *ended) for ended in closed]
        found[partition] += [
            records.candle(symbol, interval_s, bar, flow.SCALES[symbol], closed=True)
            for symbol, interval_s, bar in bars
        ]
    return found


def check_candles(bootstrap: str) -> None:
    """The closed ones are bit for bit what their partition of `trades` gives, and the last trade of each symbol is in
    an open one."""
    last = {trade.symbol: (trade.seq, trade.index) for trade in servers.records(bootstrap, wire.TRADES)}

    def shown() -> bool:
        open_ones = [candle for candle in servers.records(bootstrap, wire.CANDLES) if not candle.closed]
        return {candle.symbol: (candle.last_seq, candle.last_index) for candle in open_ones} == last

    wait_for(shown, "the last trades in the open candles")
    published: defaultdict[int, list[bytes]] = defaultdict(list)
    for partition, value in raw(bootstrap, "candles"):
        if b'"closed":true' in value:
            published[partition].append(value)
    expected = closed_candles(bootstrap)
    assert published == {number: [messages.as_json(one) for one in made] for number, made in expected.items() if made}
    assert sum(map(len, published.values())) > 10


@pytest.mark.faults
def test_every_fill_is_counted_once_through_kills(topics: str, workers: Workers) -> None:
    market = flow.Market(seed=11, accounts=12)
    flow.produce(topics, market.setup())
    flow.produce(topics, market.commands(4_000))
    published = 0
    for wanted in (1, 2_000):  # killed at its first records, and in the middle
        worker = workers.start()
        wait_for(lambda least=published + wanted: servers.has(topics, "positions", least), "positions")
        worker.kill()
        published = servers.counts(topics, "positions")["positions"]
        flow.produce(topics, market.commands(1_500))
    worker = workers.start()
    result = settled(topics)
    assert result.ok, result.report()
    assert result.positions == result.fills == servers.counts(topics, "fills")["fills"]
    assert result.accounts == 12
    assert result.marks_checked > 12
    check_candles(topics)
    assert worker.stop() == 0
    assert "ERROR" not in workers.log.read_text()


def test_corporate_actions_are_counted_between_the_fills_around_them_through_a_kill(
    topics: str, workers: Workers
) -> None:
    market = flow.Market(seed=17, accounts=6)
    flow.produce(topics, chain(market.setup(), market.commands(400)))
    workers.start()
    flow.produce(topics, chain(market.split("AAPL", 3, 7), market.commands(300), market.dividend("MSFT", 25)))
    wait_for(lambda: servers.has(topics, "positions", 1_200), "positions")
    workers.processes[-1].kill()
    flow.produce(topics, chain(market.split("BTCUSD", 2, 1), market.split("EURUSD", 1, 3)))
    flow.produce(topics, chain(market.commands(100), market.split("AAPL", 2, 1), market.dividend("BTCUSD", 1)))
    worker = workers.start()
    # The last ones are followed by no fill: they are due when every fill of before is counted.
    seq = market.action_seqs["BTCUSD"]
    wait_for(lambda: any(p.last_seq == seq for p in servers.records(topics, wire.POSITIONS)), "the last dividend")
    result = audit.from_topics(topics, settle_s=30)
    assert result.ok, result.report()
    assert result.actions == 6
    assert result.positions > result.fills
    assert worker.stop() == 0


def test_a_fill_that_names_no_corporate_action_is_a_dead_letter(topics: str, workers: Workers) -> None:
    market = flow.Market(seed=18)
    flow.produce(topics, market.setup())
    workers.start()
    topic, key, fill = next(record for record in market.commands(1) if record[0] == "fills")
    producer = Producer({"bootstrap.servers": topics})
    producer.produce(topic, flow.changed(fill, action_seq=5), key)
    producer.flush()
    flow.produce(topics, [(topic, key, fill)])
    wait_for(lambda: servers.has(topics, "positions", 1), "the sound fill's position")
    [letter] = servers.records(topics, wire.DEAD_LETTERS)
    assert (letter.reason, letter.field) == ("invalid_field", "action_seq")


@pytest.mark.faults
def test_lost_state_is_made_again_without_repeating_a_record(topics: str, workers: Workers) -> None:
    market = flow.Market(seed=12)
    flow.produce(topics, market.setup())
    flow.produce(topics, market.commands(1_000))
    worker = workers.start()
    assert settled(topics).ok
    worker.kill()
    servers.delete_topic(topics, "ledger-state")
    workers.start()
    flow.produce(topics, market.commands(500))
    result = settled(topics)
    assert result.ok, result.report()
    assert result.positions == result.fills


def unreadable(sound: Any) -> dict[bytes, tuple[str, str | None]]:
    """What is no record of the topic, and what its dead letter must say."""
    return {
        b"no json": ("malformed", None),
        b"": ("malformed", None),
        b"\xff\xfe": ("malformed", None),
        b"[]": ("malformed", None),
        b"[" * 10_000: ("malformed", None),
        b'{"seq": 1}': ("malformed", None),
        messages.as_json(sound)[:-1]: ("malformed", None),
    }


def rubbish(sound: Any) -> dict[bytes, tuple[str, str | None]]:
    """The same, and records of a symbol that cannot be used."""
    return unreadable(sound) | {
        messages.as_json(sound).replace(b'"symbol":"', b'"symbol":"\xff'): ("malformed", None),
        flow.changed(sound, symbol=None): ("malformed", None),
        flow.changed(sound, symbol="NOPE"): ("unknown_symbol", "symbol"),
        flow.changed(sound, symbol="N" * 900_000): ("unknown_symbol", "symbol"),
        flow.changed(sound, ts_ns=10**40): ("invalid_field", "ts_ns"),
    }


def wrong_trades(sound: Any) -> dict[bytes, tuple[str, str | None]]:
    """Those of a fill or trade."""
    return rubbish(sound) | {
        flow.changed(sound, quantity="0"): ("invalid_quantity", "quantity"),
        flow.changed(sound, quantity="9" * 30): ("invalid_quantity", "quantity"),
        flow.changed(sound, quantity="1e400"): ("malformed", None),
        flow.changed(sound, quantity="NaN"): ("malformed", None),
        flow.changed(sound, price="-1"): ("invalid_price", "price"),
        flow.changed(sound, price="0.000000001"): ("invalid_price", "price"),
        flow.changed(sound, seq=0): ("invalid_field", "seq"),
        flow.changed(sound, seq=10**30): ("invalid_field", "seq"),
    }


def test_a_record_that_cannot_be_used_is_a_dead_letter_and_no_obstacle(topics: str, workers: Workers) -> None:
    market = flow.Market(seed=13)
    flow.produce(topics, market.setup())
    worker = workers.start()
    day = list(market.commands(60))
    before, after = day[: len(day) // 2], day[len(day) // 2 :]
    flow.produce(topics, before)
    sound = {topic: [record for name, _, record in day if name == topic] for topic in ("fills", "trades")}
    wait_for(lambda: servers.has(topics, "positions", sum(t == "fills" for t, _, _ in before)), "positions")
    fill, trade = sound["fills"][0], sound["trades"][0]
    wait_for(lambda: servers.has(topics, "pnl", 1), "P&L")
    position, pnl = (next(iter(servers.records(topics, topic))) for topic in (wire.POSITIONS, wire.PNL))
    event = flow.report(day[0][2].seq, 0, "trade", "filled", last_quantity="10", last_price="190.00", liquidity="taker")
    ended = flow.report(day[0][2].seq, 0, "canceled", "canceled", filled_quantity="11")
    bad = {
        "fills": wrong_trades(fill)
        | {
            flow.changed(fill, side="hold"): ("invalid_field", "side"),
            flow.changed(fill, fee="9" * 5_000): ("invalid_field", "fee"),
            flow.changed(fill, account="nobody"): ("unknown_account", "account"),
            flow.changed(fill, account="a" * 900_000): ("unknown_account", "account"),
            flow.changed(fill, strategy="a|b"): ("invalid_field", "strategy"),
        },
        "trades": wrong_trades(trade),
        "positions": rubbish(position)
        | {
            flow.changed(position, quantity="0.00000001"): ("invalid_field", "quantity"),
            flow.changed(position, cost="9" * 61): ("invalid_field", "cost"),
            flow.changed(position, account="a" * 900_000): ("invalid_field", "account"),
            flow.changed(position, last_seq=10**30): ("invalid_field", "seq"),
        },
        "order-events": rubbish(event)
        | {
            flow.changed(event, last_quantity="0"): ("invalid_quantity", "quantity"),
            flow.changed(event, last_price=None): ("invalid_price", "price"),
            flow.changed(event, seq=0): ("invalid_field", "seq"),
            messages.as_json(ended): ("invalid_quantity", "filled_quantity"),
        },
        "pnl": unreadable(pnl)
        | {
            flow.changed(pnl, account="nobody"): ("unknown_account", "account"),
            flow.changed(pnl, account="a" * 900_000): ("invalid_field", "account"),
            flow.changed(pnl, last_seq=10**30): ("invalid_field", "seq"),
            flow.changed(pnl, drawdown="9" * 61): ("invalid_field", "drawdown"),
            flow.changed(pnl, equity="half"): ("malformed", None),
        },
    }
    producer = Producer({"bootstrap.servers": topics})
    for topic, values in bad.items():
        for value in values:
            producer.produce(topic, value, b"AAPL")
    producer.flush()
    worker.kill()
    workers.start()
    flow.produce(topics, after)

    def letters() -> list[messages.DeadLetter]:
        """The agents' own, a killed worker's repeats included: who follows the marks says what is wrong with a trade,
        too."""
        agents = tuple(f"streams-{name}:" for name in ("positions", "pnl", "candles", "order-flow", "alerts"))
        return [one for one in servers.records(topics, wire.DEAD_LETTERS) if one.text.startswith(agents)]

    def said_of_each() -> bool:
        return len({(one.topic, one.value) for one in letters()}) >= sum(map(len, bad.values()))

    wait_for(said_of_each, "dead letters")
    said: defaultdict[str, dict[bytes, tuple[str, str | None]]] = defaultdict(dict)
    for letter in letters():
        said[letter.topic][base64.b64decode(letter.value)] = (letter.reason, letter.field)
    for topic, values in bad.items():
        assert said[topic] == {value[:65_536]: why for value, why in values.items()}, topic

    wanted = len(sound["fills"]) + len(bad["positions"])
    wait_for(lambda: servers.has(topics, "positions", wanted), "a position for each fill")
    found = [value for _, value in raw(topics, "positions") if value not in bad["positions"]]
    decoder = msgspec.json.Decoder(messages.Position)
    assert {decoder.decode(value).last_seq for value in found} == {record.seq for record in sound["fills"]}
    assert len(found) == len(sound["fills"])


def test_alerts_and_order_flow_go_on_after_a_kill(topics: str, workers: Workers) -> None:
    market = flow.Market(seed=17, accounts=2)
    setup = market.setup()
    flow.produce(topics, setup)
    accounts = [record for topic, _, record in setup if topic == "accounts"]
    none = dict.fromkeys(messages.SymbolLimits.__struct_fields__)
    tight = messages.SymbolLimits(**{**none, "max_long": "0", "max_short": "0"})

    def limit(*limits: messages.SymbolLimits) -> None:
        limited = [msgspec.structs.replace(account, limits=list(limits)) for account in accounts]
        flow.produce(topics, [("accounts", account.account, account) for account in limited])

    def alerts() -> list[messages.Alert]:
        return list(servers.records(topics, wire.ALERTS))

    limit(tight)
    worker = workers.start()
    flow.produce(topics, market.commands(100))
    wait_for(alerts, "an alert")
    worker.kill()
    workers.start()
    shares = ("AAPL", "MSFT")  # the others' lots are not those of the events
    flow.produce(topics, chain(market.commands(100), (one for one in flow.order_events(40) if one[1] in shares)))
    limit()
    flow.produce(topics, market.commands(100))

    def all_over() -> bool:
        on = {(one.account, one.symbol, one.limit_name): one.raised for one in alerts()}
        return not any(on.values())

    wait_for(all_over, "the end of every alert")
    states: defaultdict[tuple[Any, ...], list[bool]] = defaultdict(list)
    for one in alerts():
        states[one.account, one.kind, one.symbol, one.limit_name].append(one.raised)
    for subject, said in states.items():
        assert said == [True, False] * (len(said) // 2), subject

    flows: dict[str, order_flow.Flow] = {}
    for event in servers.records(topics, wire.ORDER_EVENTS):
        counted = msgspec.convert(event, CountedEvent, from_attributes=True)
        before = flows.get(event.symbol, order_flow.EMPTY)
        flows[event.symbol] = order_flow.take(before, of_event(counted, flow.SCALES[event.symbol]))

    def newest() -> dict[str, messages.OrderFlow]:
        return {record.symbol: record for record in servers.records(topics, wire.ORDER_FLOW)}

    wait_for(lambda: {s: r.last_seq for s, r in newest().items()} == {s: f.last_seq for s, f in flows.items()}, "flow")
    for symbol, record in newest().items():
        totals = order_flow.window(flows[symbol])
        assert (record.orders, record.rejected, record.canceled) == (totals.orders, totals.rejected, totals.canceled)
        assert record.fill_ratio is not None


FAIL_ONCE = """
from streams.agents.positions import PositionKeeper
sound, calls = PositionKeeper.fold, []
async def fold(self, shelf, value):
    calls.append(value)
    if len(calls) == 700:
        raise RuntimeError("a failure that nobody foresaw")
    await sound(self, shelf, value)
PositionKeeper.fold = fold
"""


@pytest.mark.faults
def test_a_worker_that_fails_starts_over_from_its_state(topics: str, workers: Workers) -> None:
    market = flow.Market(seed=16)
    flow.produce(topics, chain(market.setup(), market.commands(600)))
    worker = workers.start(before=FAIL_ONCE)
    result = settled(topics)
    assert result.ok, result.report()
    assert result.positions == result.fills
    assert worker.stop() == 0
    assert "a failure that nobody foresaw" in worker.said()


def test_pnl_follows_marks_and_deposits(topics: str, workers: Workers) -> None:
    market = flow.Market(seed=14, accounts=2)
    flow.produce(topics, market.setup())
    workers.start()
    wait_for(lambda: servers.has(topics, "pnl", 2), "P&L of accounts that have not traded")
    flow.produce(topics, [record for record in market.commands(20) if record[0] != "books"])
    result = settled(topics)
    assert result.ok, result.report()
    before = servers.counts(topics, "pnl")["pnl"]

    deposit = flow.changed_account("trader-0", "1500000.00")
    flow.produce(topics, [deposit])
    wait_for(lambda: servers.has(topics, "pnl", before + 1), "P&L after a deposit")
    book = market.book("AAPL", market.seq + 1, flow.START_NS)
    while not (book.bids and book.asks):
        book = market.book("AAPL", market.seq + 1, flow.START_NS)
    flow.produce(topics, [("books", "AAPL", book)])
    wait_for(lambda: servers.has(topics, "pnl", before + 2), "P&L after another mark")
    result = audit.from_topics(topics, settle_s=30)
    assert result.ok, result.report()
    last = {record.account: record for record in servers.records(topics, wire.PNL)}
    assert last["trader-0"].deposits == "1500000.00"
    assert {mark.source for record in last.values() for s, mark in record.marks.items() if s == "AAPL"} == {"mid"}


def test_a_second_worker_in_the_same_folder_is_refused(workers: Workers) -> None:
    workers.start()
    second = workers.start(wait=False)
    assert second.wait_end() != 0
    assert "AlreadyRunning" in second.said()


def test_a_state_of_another_log_is_refused(topics: str, workers: Workers) -> None:
    market = flow.Market(seed=15)
    flow.produce(topics, chain(market.setup(), market.commands(50)))
    worker = workers.start()
    settled(topics)
    worker.kill()
    servers.delete_topic(topics, "fills")
    worker = workers.start(wait=False)
    assert worker.wait_end() != 0
    assert "was made on another log" in worker.said()
