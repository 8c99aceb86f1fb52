"""What must hold after every crash, and at the end. Each function raises `Broken` with its own name."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import pairwise
from typing import Final, NamedTuple, NoReturn

import order_flow
from compare import answer, difference

from engine.core import Core
from engine.messages import Refused, Unreadable
from engine.reference import Reference
from engine.tails import Position
from engine.topics import COMMANDS, DEAD_LETTERS, FILLS, ORDER_EVENTS, TRADES
from engine.words import Durability, ExecType, Liquidity
from tests.simulation.broker import Broker, Place, Record
from tests.simulation.history import History, Replay
from tests.simulation.traffic import Traffic

NEW, TRADE, PRINT = int(ExecType.NEW), int(ExecType.TRADE), int(ExecType.PRINT)
TAKER: Final = int(Liquidity.TAKER)


class Broken(AssertionError):
    """An invariant does not hold."""

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(f"{invariant}: {text}")
        self.invariant = invariant


def broken(text: str) -> NoReturn:
    """The invariant whose function calls this does not hold."""
    raise Broken(sys._getframe(1).f_code.co_name, text)


class Evidence(NamedTuple):
    """After a start: what stands in the journal, what the engine is, and what everyone was told."""

    replay: Replay
    live: Core
    history: History
    traffic: Traffic
    broker: Broker


# ------------------------------------------------------------------------------------------------- after each start


def acknowledged_is_there(evidence: Evidence) -> None:
    """A command that was answered stands in the journal under the number of its reply."""
    for seq, promise in evidence.traffic.promises.items():
        if promise.durability < Durability.SYNCED and evidence.replay.contents.get(seq) != promise.content:
            broken(f"command {seq} was answered, the journal up to {evidence.replay.last_seq} has not got it")


def synced_survives_the_machine(evidence: Evidence) -> None:
    """So does one that was answered `synced` or `committed`, whatever crashed."""
    for seq, promise in evidence.traffic.promises.items():
        if promise.durability >= Durability.SYNCED and evidence.replay.contents.get(seq) != promise.content:
            level = promise.durability.wire
            broken(f"command {seq} was answered `{level}`, the journal up to {evidence.replay.last_seq} has not got it")


def no_gap_in_seq(evidence: Evidence) -> None:
    for place, seq in enumerate(evidence.replay.seqs, 1):
        if seq != place:
            broken(f"command {seq} stands at place {place}")


def time_never_goes_back(evidence: Evidence) -> None:
    for place, (before, after) in enumerate(pairwise(evidence.replay.times), 1):
        if after < before:
            broken(f"command {place + 1} is of {after} ns, the one before it of {before} ns")


def no_kafka_record_doubled(evidence: Evidence) -> None:
    """A record of `orders` becomes one command, or the legs of one list, in the order of its partition."""
    last: dict[int, Position] = {}
    for (partition, offset), seqs in evidence.replay.sources.items():
        if len(seqs) > evidence.traffic.expected[partition, offset] or seqs[-1] - seqs[0] != len(seqs) - 1:
            broken(f"record {offset} of partition {partition} became the commands {seqs}")
        at = (seqs[0], offset)
        if partition in last and offset <= last[partition][1]:
            broken(f"record {offset} of partition {partition} came after {last[partition][1]}")
        last[partition] = at


def no_client_order_id_doubled(evidence: Evidence) -> None:
    """However often it was sent, an account's client_order_id became one order."""
    reports = evidence.replay.reports
    born = reports[(reports["exec_type"] == NEW) & (reports["client_order_id"] != b"")]
    counts = Counter(zip(born["account"].tolist(), born["client_order_id"].tolist(), strict=True))
    for (account, name), count in counts.items():
        if count > 1:
            broken(f"{name!r} of account {account} became {count} orders")


def replay_is_live(evidence: Evidence) -> None:
    """The journal without snapshots comes to the state that the started engine has, and to those that engines had."""
    replay, last = evidence.replay, evidence.live.last_seq
    if (replay.last_seq, replay.core.state_hash()) != (last, evidence.live.state_hash()):
        broken(f"the engine started at command {last}, the replay of the journal ends at {replay.last_seq} in another")
    for seq, told in evidence.history.hashes.items():
        if replay.hashes.get(seq) != told:
            broken(f"the engine's state at command {seq} was another than the replay's")


def reports_are_the_same(evidence: Evidence) -> None:
    """A replay reports of each command what was reported when it was first applied."""
    reports = evidence.replay.reports
    told = dict.fromkeys(evidence.history.reports, b"")
    for report in reports:
        if report["seq"] in told:
            told[int(report["seq"])] += report.tobytes()
    for seq, data in evidence.history.reports.items():
        if told[seq] != data:
            broken(f"of command {seq} the replay reports something else")


AFTER_A_START: Final = (
    acknowledged_is_there,
    synced_survives_the_machine,
    no_gap_in_seq,
    time_never_goes_back,
    no_kafka_record_doubled,
    no_client_order_id_doubled,
    replay_is_live,
    reports_are_the_same,
)


# ------------------------------------------------------------------------------------------------- after each round


def money_is_conserved(core: Core) -> None:
    if core.drift() != 0:
        broken(f"a drift of {core.drift()} at command {core.last_seq}")


def cancels_are_taken_when_full(traffic: Traffic) -> None:
    if traffic.refused_cancels:
        broken(traffic.refused_cancels[0])


def committed_is_published(traffic: Traffic) -> None:
    if traffic.unpublished:
        broken(traffic.unpublished[0])


# ------------------------------------------------------------------------------------------------------ at the end


def no_kafka_record_lost(evidence: Evidence) -> None:
    for (partition, offset), count in evidence.traffic.expected.items():
        found = evidence.replay.sources.get((partition, offset), [])
        if not found:
            broken(f"record {offset} of partition {partition} became no command")
        if len(found) not in (1, count):
            broken(f"record {offset} of partition {partition}, a list of {count}, became {len(found)} commands")


def position(record: Record) -> Position:
    """Of a published record, by its header `at`."""
    value = dict(record.headers or [])["at"]
    seq, index = value.split(b".")
    return int(seq), int(index)


def published(evidence: Evidence) -> dict[str, list[Position]]:
    """What the topics must hold, by the reports of the replay."""
    replay = evidence.replay
    reports = replay.reports
    places = list(zip(reports["seq"].tolist(), reports["index"].tolist(), strict=True))
    kinds, liquidities = reports["exec_type"].tolist(), reports["liquidity"].tolist()
    rows = list(zip(places, kinds, liquidities, strict=True))
    refused = [(seq, 0) for seq, entry in replay.entries.items() if isinstance(entry.command, Refused)]
    return {
        COMMANDS.name: [(seq, 0) for seq in replay.seqs],
        ORDER_EVENTS.name: sorted([*(place for place, kind, _ in rows if kind != PRINT), *refused]),
        FILLS.name: [place for place, kind, _ in rows if kind == TRADE],
        TRADES.name: [place for place, kind, side in rows if kind == PRINT or (kind == TRADE and side == TAKER)],
        DEAD_LETTERS.name: [(seq, 0) for seq, entry in replay.entries.items() if isinstance(entry.command, Unreadable)],
    }


def no_event_doubled(evidence: Evidence) -> None:
    """In each partition the positions rise."""
    for place, log in evidence.broker.logs.items():
        found = [position(record) for record in log if record.headers]
        for before, after in pairwise(found):
            if after <= before:
                broken(f"{place[0]}, partition {place[1]}: {after} stands behind {before}")


def no_event_missing(evidence: Evidence) -> None:
    for topic, wanted in published(evidence).items():
        found = {position(record) for record in evidence.broker.records(topic)}
        for place in wanted:
            if place not in found:
                broken(f"{topic} lacks record {place[1]} of command {place[0]}")
        if len(found) != len(wanted):
            broken(f"{topic} has {len(found)} records, the replay has {len(wanted)}")


def events_are_the_replay(evidence: Evidence, undisturbed: dict[Place, list[Record]]) -> None:
    """Byte for byte what one publisher, whom nothing disturbs, makes of the journal."""
    for place, log in undisturbed.items():
        found = evidence.broker.logs[place]
        for number, (got, wanted) in enumerate(zip(found, log, strict=False)):
            if got != wanted:
                broken(f"{place[0]}, partition {place[1]}, record {number} is {got}, not {wanted}")
        if len(found) != len(log):
            broken(f"{place[0]}, partition {place[1]} has {len(found)} records, not {len(log)}")


def twin_agrees(evidence: Evidence, max_orders: int) -> None:
    """The reference answers the journal's commands as the engine does."""
    fast, slow = Core(max_orders=max_orders), Reference(max_orders=max_orders)
    for frame in evidence.replay.frames:
        if frame.entry is not None:
            batch = order_flow.Batch(frame.first_seq, frame.entry.ts_ns, order_flow.records([]), frame.entry.command)
        else:
            assert frame.records is not None
            batch = order_flow.Batch(frame.first_seq, frame.ts_ns, frame.records)
        asked = frame.first_seq > SETTLED and frame.last_seq == evidence.replay.last_seq
        found = difference(answer(fast, batch, state=asked), answer(slow, batch, state=asked), batch)
        if found:
            broken(found)


SETTLED: Final = 10
"""Commands that open the exchange: until then it has not got all the instruments that would be asked for."""
