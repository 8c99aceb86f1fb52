"""`pnl`, the accounts' limits and the silence of the feed → `alerts`: once when it begins, once when it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

import msgspec
from confluent_kafka import Message

from engine import messages, topics, units, words
from engine.partitions import partition_of
from streams import alerts, records
from streams.agents.keeper import Keeper, Shelf
from streams.alerts import Change, Raised, Thresholds
from streams.marks import Follower
from streams.outbox import Outbox

LOOK_S: Final = 1.0
"""How often the feed is looked at."""
SHARE_DECIMALS: Final = 6
FEEDS: Final = 0
"""The worker that has this partition of `pnl` looks after the feed."""

_pnl: Final = msgspec.json.Decoder(messages.Pnl)
_alerts: Final = msgspec.json.Decoder(messages.Alert)
_encode: Final = msgspec.json.Encoder().encode


def published(account: str | None, change: Change, seq: int, ts_ns: int) -> messages.Alert:
    kind, symbol, limit = change.subject
    used = units.scaled_text(change.used_ppm, SHARE_DECIMALS)
    percent = f"{change.used_ppm / 10_000:.1f} %"
    where = "" if symbol is None else f" in {symbol}"
    if not change.raised:
        text = f"over: {limit or kind}{where}"
    elif kind == words.AlertKind.LIMIT.wire:
        text = f"{percent} of {limit} is used{where}"
    elif kind == words.AlertKind.DRAWDOWN.wire:
        text = f"drawdown is {percent} of the peak equity"
    else:
        text = f"no new book or trade{where}"
    return messages.Alert(
        account=account,
        kind=kind,
        symbol=symbol,
        limit_name=limit,
        raised=change.raised,
        used=used,
        threshold=units.scaled_text(change.threshold_ppm, SHARE_DECIMALS) if change.threshold_ppm else None,
        text=text,
        last_seq=seq,
        ts_ns=ts_ns,
    )


class AlertKeeper(Keeper[Raised]):
    """Holds the alerts that are on: of the accounts of the assigned partitions of `pnl` by account, and of feeds by
    `|symbol`."""

    agent: ClassVar[str] = "alerts"
    source: ClassVar[str] = topics.PNL.name
    output: ClassVar[str] = topics.ALERTS.name

    def __init__(
        self,
        bootstrap: str,
        outbox: Outbox,
        follower: Follower,
        clock: Callable[[], float],
        thresholds: Thresholds,
    ) -> None:
        super().__init__(bootstrap, outbox, clock)
        self._follower = follower
        self._thresholds = thresholds
        self._count = outbox.partition_count(self.output)
        self._looked_at = clock()
        self._heard: dict[str, tuple[int, float]] = {}
        """Symbol → the latest seq that was heard of it, and when by the clock."""
        self._published: set[messages.Alert] = set()
        """Those that were published since the state was saved."""

    async def fold(self, shelf: Shelf[Raised], value: bytes) -> None:
        record = _pnl.decode(value)
        records.check_pnl(record)
        account = await self._follower.known_account(record.account)
        before = shelf.states.get(record.account, Raised())
        if record.last_seq < before.last_seq:
            return
        levels = alerts.account_levels(record, account, self._thresholds)
        subjects, changes = alerts.step(before.subjects, levels)
        self._keep(shelf, record.account, Raised(subjects, record.last_seq))
        for change in changes:
            self._send(record.account, record.account, change, record.last_seq, record.ts_ns)

    def _keep(self, shelf: Shelf[Raised], key: str, raised: Raised) -> None:
        shelf.states[key] = raised
        shelf.touched.add(key)

    def _send(self, key: str, account: str | None, change: Change, seq: int, ts_ns: int) -> None:
        record = published(account, change, seq, ts_ns)
        if record in self._published:
            self._published.discard(record)
        else:
            self.outbox.send(self.output, key, _encode(record), partition_of(key, self._count))

    async def publish_due(self) -> None:
        """Looks at the feed."""
        now = self.clock()
        if now - self._looked_at < LOOK_S:
            return
        async with self.whole():
            self._looked_at = now
            shelf = self.shelves.get(FEEDS)
            if shelf is not None:
                for symbol in sorted(self._follower.scales):
                    self._look(shelf, symbol, now)
                await self.deliver()

    def _look(self, shelf: Shelf[Raised], symbol: str, now: float) -> None:
        book, trade = self._follower.books.get(symbol), self._follower.trades.get(symbol)
        stamps = [(one.seq, one.ts_ns) for one in (book, trade) if one is not None]
        if not stamps:
            return
        seq, ts_ns = max(stamps)
        if symbol not in self._heard or self._heard[symbol][0] != seq:
            self._heard[symbol] = (seq, now)
        trading = book is None or book.phase == words.Phase.CONTINUOUS.wire
        silent_s = now - self._heard[symbol][1] if trading else 0.0
        before = shelf.states.get(f"|{symbol}", Raised())
        subjects, changes = alerts.step(before.subjects, [alerts.feed_level(symbol, silent_s, self._thresholds)])
        for change in changes:
            self._keep(shelf, f"|{symbol}", Raised(subjects, seq))
            self._send(symbol, None, change, seq, ts_ns)

    # ------------------------------------------------------------------------------------------- saved, and back

    def restore(self, saved: dict[str, Any]) -> Raised:
        return msgspec.convert(saved, Raised)

    def preserve(self, kept: Raised) -> dict[str, Any]:
        return {"subjects": sorted(kept.subjects, key=str), "last_seq": kept.last_seq}

    def recall(self, shelves: dict[int, Shelf[Raised]], message: Message) -> None:
        record = _alerts.decode(message.value() or b"")
        if record.account is not None:
            self._published.add(record)
        elif (shelf := shelves.get(FEEDS)) is not None:
            level = alerts.feed_level(record.symbol or "", 0.0, self._thresholds)
            on = frozenset({level.subject}) if record.raised else frozenset()
            shelf.states[f"|{record.symbol}"] = Raised(on, record.last_seq)

    async def release(self) -> None:
        await super().release()
        self._published.clear()
        self._heard.clear()
