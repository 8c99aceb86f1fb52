"""Who sends: a session at the direct door, an administrator, and a producer of the topic `orders`; and what each was
promised."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final, NamedTuple

import msgspec
import order_flow
import small_exchange
from numpy.typing import NDArray

from engine.admission import Admission
from engine.batch import Batch
from engine.command_records import CommandReporter
from engine.core import Core
from engine.messages import AdministrativeCommand
from engine.tokens import EVERY_ACCOUNT, Identity
from engine.topics import ORDERS
from engine.words import CommandType, Durability, Outcome, Reason, Source
from tests.simulation.broker import Broker, Record
from tests.simulation.faults import Faults

STAMPED: Final = ("seq", "ts_ns")
LEVELS: Final = (Durability.JOURNALED, Durability.SYNCED, Durability.COMMITTED)
SHARED: Final = ("account", "symbol", "list_type", "strategy", "durability")
"""Fields of an order list; the others are its legs'."""
RUBBISH: Final = (b"", b"not json", b"[1,2]", b'{"hello":"world"}', b'{"type":"new","account":"\xff"}')
CANCELS: Final = (int(CommandType.CANCEL), int(CommandType.CANCEL_ALL))


class Promise(NamedTuple):
    """A reply: the command is sequenced, and as safe as its level says."""

    seq: int
    content: bytes
    """What was sent, without what the engine stamps."""
    durability: Durability


class Frame(NamedTuple):
    """Records that were sent together and are not answered yet."""

    records: NDArray[Any]
    durability: Durability


def content(records: NDArray[Any]) -> list[bytes]:
    """Of each record what its sender said."""
    plain = records.copy()
    for name in STAMPED:
        plain[name] = 0
    return [row.tobytes() for row in plain]


def administrative_content(command: AdministrativeCommand) -> bytes:
    return msgspec.json.encode(command)


class Traffic:
    """Commands from the generators of tests/engine, by three ways."""

    def __init__(self, seed: int, faults: Faults, broker: Broker) -> None:
        self._faults = faults
        self._chance: Random = faults.chance
        self._broker = broker
        self._flow = order_flow.Flow(seed, len(small_exchange.SET_UP) + 1, True)
        self._names = Core(max_orders=1)
        small_exchange.define(self._names)
        self._reporter = CommandReporter(self._names)
        self._identity = Identity("trader", "admin", (EVERY_ACCOUNT,))
        self._unanswered: dict[int, Frame] = {}
        self._frames = 0
        self.sent = 0
        """Commands."""
        self.promises: dict[int, Promise] = {}
        self.expected: dict[tuple[int, int], int] = {}
        """(partition, offset) of `orders` → commands that it becomes at most: the legs of a list."""
        self.refused_cancels: list[str] = []
        """Cancels that a full disk refused although nothing else was wrong."""
        self.unpublished: list[str] = []
        """Replies `committed` of which Kafka had nothing."""

    # -------------------------------------------------------------------------------------------- what is sent

    def draw(self, now_ns: int) -> list[dict[str, Any]] | AdministrativeCommand:
        """Records of one command or list, or an administrative command."""
        self._flow.ts_ns = now_ns
        drawn: Any = self._flow.next()
        self.sent += len(drawn) if isinstance(drawn, list) else 1
        if isinstance(drawn, list):
            return [self._by_client_order_id(row) for row in drawn]
        return drawn[2]

    def _by_client_order_id(self, row: dict[str, Any]) -> dict[str, Any]:
        """The generator's order numbers are not the engine's here: most orders are named by what their owner calls
        them."""
        named = row.get("order_id", 0)
        known = next((order for order in self._flow.orders if order["seq"] == named), None)
        if known is not None and known.get("client_order_id") and self._chance.random() < 0.9:
            row = row | {"order_id": 0, "client_order_id": known["client_order_id"]}
        return row

    def records(self, rows: list[dict[str, Any]], core: Core) -> NDArray[Any]:
        """Those that the door lets in."""
        made = order_flow.records([row | {"seq": 0, "ts_ns": 0} for row in rows])
        refused = Admission(core).admit(self._identity, made).refused
        return made if refused is None else made[refused[:, 0] == 0]

    # ---------------------------------------------------------------------------------------- the direct door

    def send(self, batch: Batch, records: NDArray[Any], disk: Any, committed: Callable[[int], bool]) -> None:
        """One frame of records."""
        (level,) = self._chance.choices(LEVELS, (6, 3, 1))
        self._frames += 1
        self._unanswered[self._frames] = Frame(records.copy(), level)
        self._put(batch, self._frames, disk, committed)

    def send_again(self, batch: Batch, disk: Any, committed: Callable[[int], bool]) -> None:
        """After a crash: frames without a reply may have been sequenced or not."""
        waiting, self._unanswered = self._unanswered, {}
        for number, frame in waiting.items():
            if self._faults.chance.random() < 0.7:
                self._faults.note("frame sent twice")
                self._unanswered[number] = frame
                self._put(batch, number, disk, committed)

    def _put(self, batch: Batch, number: int, disk: Any, committed: Callable[[int], bool]) -> None:
        frame = self._unanswered[number]
        sent = content(frame.records)
        kinds = frame.records["type"].tolist()
        disk_was_full = disk.room is not None

        def answer(replies: NDArray[Any]) -> None:
            self._unanswered.pop(number, None)
            for row, kind, reply in zip(sent, kinds, replies, strict=True):
                self._note(row, kind, reply, disk, disk_was_full, committed)

        batch.add(frame.records.copy(), answer, frame.durability)

    def _note(
        self, sent: bytes, kind: int, reply: Any, disk: Any, disk_was_full: bool, committed: Callable[[int], bool]
    ) -> None:
        is_full = disk_was_full and disk.room is not None
        seq, level = int(reply["seq"]), Durability(int(reply["durability"]) or 1)
        if seq:
            self.promises[seq] = Promise(seq, sent, level)
            if level is Durability.COMMITTED and not committed(seq):
                self.unpublished.append(f"command {seq} was answered `committed`, Kafka does not have it")
            if is_full and kind in CANCELS:
                self._faults.note("cancel taken by the full disk")
            return
        assert reply["outcome"] == Outcome.REJECTED
        assert reply["reason"] == Reason.BUSY
        if kind in CANCELS:
            if not disk.disturbed:
                self.refused_cancels.append(f"a cancel was refused, the disk had {disk.room} bytes of room")
        elif is_full:
            self._faults.note("order refused by the full disk")

    def administer(self, batch: Batch, command: AdministrativeCommand, committed: Callable[[int], bool]) -> None:
        sent = administrative_content(command)
        (level,) = self._chance.choices(LEVELS, (6, 3, 1))

        def answer(replies: NDArray[Any]) -> None:
            seq, reached = int(replies["seq"][0]), Durability(int(replies["durability"][0]))
            self.promises[seq] = Promise(seq, sent, reached)
            if reached is Durability.COMMITTED and not committed(seq):
                self.unpublished.append(f"command {seq} was answered `committed`, Kafka does not have it")

        batch.administer(command, Source.REST, "admin", answer=answer, durability=level)

    # ------------------------------------------------------------------------------------------ the topic orders

    def produce(self, rows: list[dict[str, Any]], core: Core) -> None:
        """The command as JSON into the topic, sometimes twice; sometimes rubbish with it."""
        if self._chance.random() < 0.05:
            self._append(self._chance.choice(RUBBISH), 1)
        made = self.records(rows, core)
        if len(made) == 0:
            return
        made["transact_ns"] = 0
        described = self._reporter.records(made)
        if len(described) > 1 and described[0].command.get("list_type"):
            legs = [{name: value for name, value in one.command.items() if name not in SHARED} for one in described]
            shared = {name: value for name, value in described[0].command.items() if name in SHARED}
            values = [(msgspec.json.encode({"type": "order_list", **shared, "orders": legs}), len(legs))]
        else:
            values = [(msgspec.json.encode({"type": one.type, **one.command}), 1) for one in described]
        for value, count in values:
            self._append(value, count)
            if self._faults.strikes("order sent twice", 0.04):
                self._append(value, count)

    def _append(self, value: bytes, count: int) -> None:
        number = self._chance.choice(self._broker.partitions(ORDERS.name))
        log = self._broker.logs[ORDERS.name, number]
        self.expected[number, len(log)] = count
        log.append(Record(b"key", value, None))

    # ------------------------------------------------------------------------------------------------- a crash

    def forget(self, last_seq: int) -> None:
        """After a machine crash: what was only in the journal may be gone, and its numbers are given anew."""
        self.promises = {
            seq: promise
            for seq, promise in self.promises.items()
            if seq <= last_seq or promise.durability >= Durability.SYNCED
        }
