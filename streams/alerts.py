"""When somebody should be told: pure folds over an account's P&L and its limits, and over what the market feed says.

An alert is raised once, when its measure reaches the threshold, and cleared once, when it has fallen below nine tenths
of it.
Shares are in millionths (ppm), times in seconds of whatever clock the caller has. `docs/agents.md` has it in words."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final, NamedTuple

from msgspec import Struct

from engine.messages import Account, Pnl, SymbolLimits
from engine.words import AlertKind

PPM: Final = 1_000_000
BEYOND: Final = 10**12
"""Stands for a share of nothing: a limit of 0 that is passed."""
CLEARED_AT: Final = Fraction(9, 10)


class Thresholds(NamedTuple):
    limit_ppm: int = 800_000
    """Of a limit, the part in use."""
    drawdown_ppm: int = 100_000
    """Of the peak equity, the part that is lost."""
    stale_s: float = 60.0
    """Without a new book or trade of a symbol that trades."""


class Subject(NamedTuple):
    """What an alert is about; one is on at most once. `limit` names the limit, `symbol` where it holds."""

    kind: str
    symbol: str | None
    limit: str | None


class Level(NamedTuple):
    """How far a measure has come, and at which share it is told."""

    subject: Subject
    used_ppm: int
    threshold_ppm: int


class Change(NamedTuple):
    subject: Subject
    raised: bool
    used_ppm: int
    threshold_ppm: int


class Raised(Struct, frozen=True):
    """The alerts of an account (or of a symbol's feed) that are on, and `last_seq` of what was looked at last."""

    subjects: frozenset[Subject] = frozenset()
    last_seq: int = 0


def step(raised: frozenset[Subject], levels: list[Level]) -> tuple[frozenset[Subject], list[Change]]:
    """The alerts that are on after the levels, and what has changed. What has no level any more (a limit that was taken
    away, a position that was closed) is cleared."""
    changes = []
    for level in levels:
        subject, used, threshold = level
        if subject not in raised and used >= threshold:
            changes.append(Change(subject, True, used, threshold))
        elif subject in raised and used < threshold * CLEARED_AT:
            changes.append(Change(subject, False, used, threshold))
    known = {level.subject for level in levels}
    changes += [Change(subject, False, 0, 0) for subject in sorted(raised - known, key=str)]
    on = {change.subject for change in changes if change.raised}
    off = {change.subject for change in changes if not change.raised}
    return frozenset((raised | on) - off), changes


def account_levels(pnl: Pnl, account: Account, thresholds: Thresholds) -> list[Level]:
    """An account's drawdown, its margin, and each position beside its limit."""
    levels = [
        Level(
            Subject(AlertKind.DRAWDOWN.wire, None, None),
            _share(Fraction(pnl.drawdown), Fraction(pnl.peak_equity)),
            thresholds.drawdown_ppm,
        )
    ]
    if account.margin_multiple is not None:
        power = Fraction(account.margin_multiple) * Fraction(pnl.equity)
        subject = Subject(AlertKind.LIMIT.wire, None, "margin_multiple")
        levels.append(Level(subject, _share(Fraction(pnl.gross_exposure), power), thresholds.limit_ppm))
    for symbol, mark in pnl.marks.items():
        quantity = Fraction(mark.quantity)
        for name, limit in _position_limits(account.limits, symbol):
            held = quantity if name == "max_long" else -quantity
            subject = Subject(AlertKind.LIMIT.wire, symbol, name)
            levels.append(Level(subject, _share(max(held, Fraction(0)), Fraction(limit)), thresholds.limit_ppm))
    return levels


def feed_level(symbol: str, silent_s: float, thresholds: Thresholds) -> Level:
    """How long nothing was heard of a symbol; the threshold is one whole."""
    return Level(Subject(AlertKind.FEED_STALE.wire, symbol, None), int(silent_s * PPM / thresholds.stale_s), PPM)


def _position_limits(limits: list[SymbolLimits], symbol: str) -> Iterator[tuple[str, str]]:
    """Those that hold for the symbol: its own, or else those of every symbol that has none."""
    own = next((one for one in limits if one.symbol == symbol), None)
    found = own or next((one for one in limits if one.symbol is None), None)
    if found is not None:
        if found.max_long is not None:
            yield "max_long", found.max_long
        if found.max_short is not None:
            yield "max_short", found.max_short


def _share(part: Fraction, whole: Fraction) -> int:
    """part / whole in millionths, rounded down; of nothing: 0, or BEYOND where there is a part of it."""
    if part <= 0:
        return 0
    return min(int(part * PPM / whole), BEYOND) if whole > 0 else BEYOND
