"""Candles as a pure fold over the trades of one symbol: integers, no clock. `docs/agents.md` has the rules in words.

Units: prices in ticks, volumes in lots, turnover in ticks × lots, times in nanoseconds since the epoch, UTC. A bar of
`interval_s` seconds holds the trades with start ≤ event time < start + interval; its start is a whole multiple of the
interval. Event time is `transact_ns` where the trade has one, else `ts_ns`.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

INTERVALS_S: Final = (1, 60, 300, 3600)
SECOND_NS: Final = 1_000_000_000
LIVE_NS: Final = 30 * SECOND_NS
"""Of a live trade, event time and arrival are no further apart. All others are of a replayed day, whose clock is its
own; their bars do not mix with the live ones."""
REWIND_NS: Final = 60 * SECOND_NS
"""A trade that is older than the one before it by more than this begins a day again; one that is a little older (a
sender's clock is behind) is counted at the time of the one before it."""


class Tick(Struct, frozen=True):
    """A trade."""

    seq: int
    index: int
    ts_ns: int
    event_ns: int
    price: int
    lots: int


class Bar(Struct, frozen=True):
    start_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int
    trades: int
    last_seq: int
    last_index: int
    ts_ns: int
    """When its last trade was sequenced."""


Closed = tuple[int, Bar]
"""Interval in seconds, and a bar that no later trade changes."""


class Track(Struct, frozen=True):
    """The open bars of one clock, an optional one for each of INTERVALS_S."""

    clock_ns: int = 0
    """Event time of the latest trade: never runs back, but for a day that begins again."""
    bars: tuple[Bar | None, ...] = (None,) * len(INTERVALS_S)


class Chart(Struct, frozen=True):
    """The open bars of a symbol, and its last trade."""

    live: Track = Track()
    replayed: Track = Track()
    last_seq: int = 0
    last_index: int = -1


EMPTY: Final = Chart()


def take(chart: Chart, tick: Tick) -> tuple[Chart, list[Closed]]:
    """The chart after a trade, and the bars that it closes, shorter ones first. The same chart where the trade, or a
    later one, was counted before."""
    if (tick.seq, tick.index) <= (chart.last_seq, chart.last_index):
        return chart, []
    live = abs(tick.ts_ns - tick.event_ns) <= LIVE_NS
    track, closed = _count(chart.live if live else chart.replayed, tick)
    if live:
        return Chart(track, chart.replayed, tick.seq, tick.index), closed
    return Chart(chart.live, track, tick.seq, tick.index), closed


def settle(chart: Chart, ts_ns: int) -> tuple[Chart, list[Closed]]:
    """Closes the live bars that no trade sequenced at `ts_ns` or later can belong to."""
    closed: list[Closed] = []
    bars: list[Bar | None] = []
    for interval_s, bar in zip(INTERVALS_S, chart.live.bars, strict=True):
        if bar is not None and bar.start_ns + interval_s * SECOND_NS + LIVE_NS <= ts_ns:
            closed.append((interval_s, bar))
            bar = None
        bars.append(bar)
    if not closed:
        return chart, closed
    return replace(chart, live=Track(chart.live.clock_ns, tuple(bars))), closed


def open_bars(chart: Chart) -> list[Closed]:
    """The bars that are still open, as they stand."""
    return [
        (interval_s, bar)
        for track in (chart.live, chart.replayed)
        for interval_s, bar in zip(INTERVALS_S, track.bars, strict=True)
        if bar is not None
    ]


def _count(track: Track, tick: Tick) -> tuple[Track, list[Closed]]:
    begins_again = tick.event_ns < track.clock_ns - REWIND_NS
    clock_ns = tick.event_ns if begins_again else max(track.clock_ns, tick.event_ns)
    closed: list[Closed] = []
    bars: list[Bar | None] = []
    for interval_s, bar in zip(INTERVALS_S, track.bars, strict=True):
        start_ns = clock_ns - clock_ns % (interval_s * SECOND_NS)
        if bar is not None and (begins_again or bar.start_ns != start_ns):
            closed.append((interval_s, bar))
            bar = None
        bars.append(_first(start_ns, tick) if bar is None else _next(bar, tick))
    return Track(clock_ns, tuple(bars)), closed


def _first(start_ns: int, tick: Tick) -> Bar:
    price = tick.price
    return Bar(
        start_ns,
        price,
        price,
        price,
        price,
        tick.lots,
        price * tick.lots,
        1,
        tick.seq,
        tick.index,
        tick.ts_ns,
    )


def _next(bar: Bar, tick: Tick) -> Bar:
    price = tick.price
    return Bar(
        bar.start_ns,
        bar.open,
        max(bar.high, price),
        min(bar.low, price),
        price,
        bar.volume + tick.lots,
        bar.turnover + price * tick.lots,
        bar.trades + 1,
        tick.seq,
        tick.index,
        tick.ts_ns,
    )
