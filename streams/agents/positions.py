"""`fills` → `positions`: a record for every fill, the account's position after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

import msgspec
from confluent_kafka import Message

from engine import messages, topics
from engine.partitions import partition_of
from streams import ledger, records
from streams.agents.keeper import Keeper, Shelf
from streams.marks import Follower
from streams.outbox import Outbox

_fills: Final = msgspec.json.Decoder(messages.Fill)
_positions: Final = msgspec.json.Decoder(messages.Position)
_encode: Final = msgspec.json.Encoder().encode


class PositionKeeper(Keeper[ledger.Holding]):
    """Holds the positions of the assigned partitions of `fills`, by `account|symbol`, and the part of each that a
    strategy tag has traded, by `account|symbol|strategy`."""

    agent: ClassVar[str] = "positions"
    source: ClassVar[str] = topics.FILLS.name
    output: ClassVar[str] = topics.POSITIONS.name

    def __init__(self, bootstrap: str, outbox: Outbox, follower: Follower, clock: Callable[[], float]) -> None:
        super().__init__(bootstrap, outbox, clock)
        self._follower = follower
        self._count = outbox.partition_count(self.output)
        self._published: dict[str, tuple[int, int]] = {}
        """The last published (seq, index) of positions whose records are ahead of the saved state."""

    async def fold(self, shelf: Shelf[ledger.Holding], value: bytes) -> None:
        fill = _fills.decode(value)
        scale = await self._follower.known_scale(fill.symbol)
        apply = ledger.APPLY[await self._follower.known_method(fill.account)]
        execution = records.execution(fill, scale)
        key = f"{fill.account}|{fill.symbol}"
        before = shelf.states.get(key, ledger.FLAT)
        after = apply(before, execution, scale.money_per_tick_lot)
        if after is before:
            return
        shelf.states[key] = after
        shelf.touched.add(key)
        strategies: list[messages.StrategyPosition] = []
        if fill.strategy is not None:
            part_key = f"{key}|{fill.strategy}"
            part = apply(shelf.states.get(part_key, ledger.FLAT), execution, scale.money_per_tick_lot)
            shelf.states[part_key] = part
            shelf.touched.add(part_key)
            strategies.append(records.strategy_position(fill.strategy, part, scale))
        if (after.last_seq, after.last_index) > self._published.get(key, (0, -1)):
            record = records.position(fill.account, fill.symbol, after, scale, strategies)
            self.outbox.send(self.output, key, _encode(record), partition_of(fill.account, self._count))

    def restore(self, saved: dict[str, Any]) -> ledger.Holding:
        return msgspec.convert(saved, ledger.Holding)

    def preserve(self, kept: ledger.Holding) -> dict[str, Any]:
        fields = msgspec.structs.asdict(kept)
        return fields | {"layers": msgspec.to_builtins(kept.layers)}

    def recall(self, shelves: dict[int, Shelf[ledger.Holding]], message: Message) -> None:
        record = _positions.decode(message.value() or b"")
        self._published[f"{record.account}|{record.symbol}"] = (record.last_seq, record.last_index)
