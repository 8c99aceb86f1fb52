"""`fills` → `positions`: a record for every fill, the account's position after it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

import msgspec
from confluent_kafka import Message

from engine import messages, topics, words
from engine.partitions import partition_of
from engine.traces import for_log
from engine.units import Scale
from streams import holdings, ledger, records
from streams.agents.keeper import Keeper, Shelf
from streams.corporate_actions import Action
from streams.marks import REFERENCE_WAIT_S, Follower, Uncertain
from streams.outbox import Outbox

log = logging.getLogger(__name__)

_fills: Final = msgspec.json.Decoder(messages.Fill)
_positions: Final = msgspec.json.Decoder(messages.Position)
_encode: Final = msgspec.json.Encoder().encode


class PositionKeeper(Keeper[ledger.Holding]):
    """Holds the positions of the assigned partitions of `fills`, by `account|symbol`, and the part of each that a
    strategy tag has traded, by `account|symbol|strategy`."""

    agent: ClassVar[str] = "positions"
    source: ClassVar[str] = topics.FILLS.name
    output: ClassVar[str] = topics.POSITIONS.name
    needs_all: ClassVar[bool] = True

    def __init__(self, bootstrap: str, outbox: Outbox, follower: Follower, clock: Callable[[], float]) -> None:
        super().__init__(bootstrap, outbox, clock)
        self._follower = follower
        self._count = outbox.partition_count(self.output)
        self._source_count = outbox.partition_count(self.source)
        self._acted: dict[tuple[int, str], int] = {}
        """Partition and symbol → seq of the last corporate action that its holders have counted."""
        self._looked: dict[tuple[int, str], int] = {}
        """How far the partition had been read when the symbol's next action was not due yet."""
        self._published: dict[str, tuple[int, int]] = {}
        """The last published (seq, index) of positions whose records are ahead of the saved state."""

    async def fold(self, shelf: Shelf[ledger.Holding], value: bytes) -> None:
        fill = _fills.decode(value)
        # Known ones are looked up here: a coroutine for each would be a tenth of the whole fold.
        scale = self._follower.scales.get(fill.symbol) or await self._follower.known_scale(fill.symbol)
        method = self._follower.methods.get(fill.account) or await self._follower.known_method(fill.account)
        if fill.action_seq > self._acted.get((shelf.partition, fill.symbol), 0):
            await self._act_before(shelf, fill, scale)
        folded = holdings.fold(shelf.states, fill, scale, method)
        if folded is not None:
            self._send(shelf, folded, self.trace)

    def _send(self, shelf: Shelf[ledger.Holding], folded: holdings.Folded, trace: bytes = b"") -> None:
        """Notes what has changed, and publishes the position where that was not done before. `trace`: of the order that
        was filled."""
        shelf.touched.update(folded.keys)
        record, key = folded.record, folded.keys[0]
        if (record.last_seq, record.last_index) > self._published.get(key, (0, -1)):
            self.outbox.send(self.output, key, _encode(record), partition_of(record.account, self._count), trace)
            self.stamps.append(record.ts_ns)
            if trace and log.isEnabledFor(logging.DEBUG):
                log.debug(
                    "position of %s in %s: %s", record.account, record.symbol, record.quantity, extra=for_log(trace)
                )

    # ---------------------------------------------------------------------------------------- corporate actions

    async def resume(self, partitions: Iterable[int]) -> dict[int, int]:
        # Whether a holding has counted an action it knows by itself; so all of them are looked at again.
        self._acted.clear()
        self._looked.clear()
        return await super().resume(partitions)

    async def _act_before(self, shelf: Shelf[ledger.Holding], fill: messages.Fill, scale: Scale) -> None:
        """The actions that came before the fill. Kafka has them: they were published first."""
        if not self._knows(fill):
            if not await asyncio.to_thread(self._follower.wait_caught_up, REFERENCE_WAIT_S):
                raise Uncertain(
                    f"whether there is an action {fill.action_seq} is not known: Kafka did not tell in time"
                )
            self._follower.check()
            if not self._knows(fill):
                text = f"there is no corporate action {fill.action_seq} of {fill.symbol}"
                raise records.Unusable(words.Reason.INVALID_FIELD, "action_seq", text)
        for action in self._follower.actions[fill.symbol]:
            if action.seq <= fill.action_seq:
                self._act(shelf, fill.symbol, action, scale)

    def _knows(self, fill: messages.Fill) -> bool:
        return any(action.seq == fill.action_seq for action in self._follower.actions.get(fill.symbol, ()))

    async def publish_due(self) -> None:
        """Carries out the actions before which all fills have been counted; to be called by a clock."""
        async with self.whole():
            for symbol, actions in tuple(self._follower.actions.items()):
                shelf = self.shelves.get(partition_of(symbol, self._source_count))
                if shelf is not None:
                    self._act_on(shelf, symbol, actions)
            await self.deliver()
            self._measure()

    def _act_on(self, shelf: Shelf[ledger.Holding], symbol: str, actions: tuple[Action, ...]) -> None:
        place = (shelf.partition, symbol)
        if self._acted.get(place, 0) >= actions[-1].seq or self._looked.get(place) == shelf.next_offset:
            return
        bought = sold = 0
        for key, holding in shelf.states.items():
            if key.partition("|")[2] == symbol:
                bought += holding.bought
                sold += holding.sold
        for action in actions:
            if bought < action.bought or sold < action.sold:
                self._looked[place] = shelf.next_offset
                return
            self._act(shelf, symbol, action, self._follower.scales[symbol])

    def _act(self, shelf: Shelf[ledger.Holding], symbol: str, action: Action, scale: Scale) -> None:
        """Every holding of the symbol counts the action, and so do its strategies' parts; a record for each that holds
        anything."""
        place = (shelf.partition, symbol)
        if action.seq <= self._acted.get(place, 0):
            return
        self._acted[place] = action.seq
        for folded in holdings.act(shelf.states, symbol, action, scale):
            self._send(shelf, folded)

    # ------------------------------------------------------------------------------------------- saved, and back

    def restore(self, saved: dict[str, Any]) -> ledger.Holding:
        return msgspec.convert(saved, ledger.Holding)

    def preserve(self, kept: ledger.Holding) -> dict[str, Any]:
        fields = msgspec.structs.asdict(kept)
        return fields | {"layers": msgspec.to_builtins(kept.layers)}

    def recall(self, shelves: dict[int, Shelf[ledger.Holding]], message: Message) -> None:
        record = _positions.decode(message.value() or b"")
        records.check_stamps(record.last_seq, record.last_index, record.ts_ns)
        key, at = f"{record.account}|{record.symbol}", (record.last_seq, record.last_index)
        self._published[key] = max(self._published.get(key, (0, -1)), at)
