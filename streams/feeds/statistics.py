"""What a market's record looks like in numbers: spread, volatility, trade signs, clustering. Pure.

Used to hold the simulated market to ranges taken from a real day, so both are measured by the same functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

SECOND: Final = 10**9
Floats = NDArray[np.float64]


class Tape(NamedTuple):
    """What was seen of one symbol."""

    event_ns: NDArray[np.int64]
    """(events,): times of all book events (new, cancel, replace, execution), rising."""
    bid: Floats
    """(events,): best bid in ticks after the event, NaN where there is none."""
    ask: Floats
    trade_ns: NDArray[np.int64]
    """(trades,): times of aggressive orders that traded; the fills of one aggressor are one trade."""
    trade_sign: Floats
    """(trades,): +1 a buyer, -1 a seller."""


class Figures(NamedTuple):
    spread_ticks: float
    """Mean bid-ask spread, weighted by time."""
    spread_bps: float
    """The same in 1/10,000 of the mid price."""
    volatility_bps: float
    """Standard deviation of 1-minute log returns of the mid, in 1/10,000."""
    sign_correlation_1: float
    """Autocorrelation of trade signs, one trade apart."""
    sign_correlation_2: float
    """Two trades apart."""
    trade_fano: float
    """Variance by mean of the number of trades in 10 s: 1 for a Poisson process."""
    trade_cv: float
    """Standard deviation by mean of the time between trades: 1 for a Poisson process."""
    trade_branching: float
    """Share of trades that others set off: 1 − 1 / √Fano (Hardiman and Bouchaud 2014, arXiv:1403.5227)."""
    event_fano: float
    """As `trade_fano`, for all book events."""
    event_cv: float
    """As `trade_cv`, for all book events."""
    trades_per_event: float


def tape_of_lobster(
    time_ns: NDArray[np.int64], execution: NDArray[np.bool_], sign: Floats, bid: Floats, ask: Floats
) -> Tape:
    """The tape of a LOBSTER day.

    `execution` marks visible executions, `sign` is the aggressor's, `bid` and `ask` are best prices in ticks.
    Executions that follow each other with the same time and sign are one aggressor's."""
    times, signs = time_ns[execution], sign[execution]
    first = np.ones(len(times), bool)
    first[1:] = (np.diff(times) > 0) | (np.diff(signs) != 0)
    return Tape(time_ns, bid, ask, times[first], signs[first])


def figures(tape: Tape) -> Figures:
    """The figures of the whole tape; it needs a few minutes and some twenty trades to say anything."""
    start, end = int(tape.event_ns[0]), int(tape.event_ns[-1])
    duration = np.diff(tape.event_ns, append=end).astype(np.float64)
    quoted = np.isfinite(tape.bid) & np.isfinite(tape.ask)
    weight = duration * quoted
    spread = np.where(quoted, tape.ask - tape.bid, 0.0)
    mid = np.where(quoted, (tape.ask + tape.bid) / 2, 1.0)
    counts = _counts(tape.trade_ns, start, end)
    trade_fano = _fano(counts)
    return Figures(
        spread_ticks=float((spread * weight).sum() / weight.sum()),
        spread_bps=float((spread / mid * weight).sum() / weight.sum() * 1e4),
        volatility_bps=_volatility(tape.event_ns[quoted], mid[quoted], start, end),
        sign_correlation_1=_autocorrelation(tape.trade_sign, 1),
        sign_correlation_2=_autocorrelation(tape.trade_sign, 2),
        trade_fano=trade_fano,
        trade_cv=_variation(tape.trade_ns),
        trade_branching=1 - 1 / max(1.0, trade_fano) ** 0.5,
        event_fano=_fano(_counts(tape.event_ns, start, end)),
        event_cv=_variation(tape.event_ns),
        trades_per_event=len(tape.trade_ns) / len(tape.event_ns),
    )


def blocks(tape: Tape, seconds: int = 1800) -> list[Figures]:
    """The figures of each stretch of that length (a day is not stationary), without a last one of less than half."""
    return [figures(part) for part in _split(tape, seconds * SECOND)]


def median(parts: list[Figures]) -> Figures:
    return Figures(*(float(np.median(column)) for column in zip(*parts, strict=True)))


def extremes(parts: list[Figures]) -> tuple[Figures, Figures]:
    """Least and greatest of each figure."""
    columns = list(zip(*parts, strict=True))
    return Figures(*(min(column) for column in columns)), Figures(*(max(column) for column in columns))


def _split(tape: Tape, length: int) -> Iterator[Tape]:
    start = int(tape.event_ns[0])
    for k in range(round((int(tape.event_ns[-1]) - start) / length)):
        events = slice(*np.searchsorted(tape.event_ns, [start + k * length, start + (k + 1) * length]))
        trades = slice(*np.searchsorted(tape.trade_ns, [start + k * length, start + (k + 1) * length]))
        yield Tape(
            tape.event_ns[events],
            tape.bid[events],
            tape.ask[events],
            tape.trade_ns[trades],
            tape.trade_sign[trades],
        )


def _counts(times: NDArray[np.int64], start: int, end: int, width: int = 10 * SECOND) -> NDArray[np.int64]:
    return np.bincount((times - start) // width, minlength=(end - start) // width)[: (end - start) // width]


def _fano(counts: NDArray[np.int64]) -> float:
    return float(counts.var() / counts.mean())


def _variation(times: NDArray[np.int64]) -> float:
    gaps = np.diff(times)
    return float(gaps.std() / gaps.mean())


def _autocorrelation(values: Floats, lag: int) -> float:
    centered = values - values.mean()
    return float((centered[lag:] * centered[:-lag]).mean() / centered.var())


def _volatility(times: NDArray[np.int64], mid: Floats, start: int, end: int) -> float:
    minutes = np.arange(max(start, int(times[0])), end + 1, 60 * SECOND)
    sampled = np.log(mid[np.searchsorted(times, minutes, side="right") - 1])
    return float(np.diff(sampled).std() * 1e4)
