"""Plays the simulated market on a matcher in this process, in simulated time, and writes down what was seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from engine.core import Core
from engine.messages import DefineAccount, DefineInstrument
from engine.words import Outcome, Side
from streams.feeds.instructions import IOC, NEW, Instruction, columns, encode
from streams.feeds.simulated.market import Market
from streams.feeds.simulated.state import Answer, Listed, Quote
from streams.feeds.statistics import SECOND, Tape

BUY = int(Side.BUY)
UNIT = 35
GOOG_LIKE = Listed("SIM", 100, 200_000, start=57_700.0, unit=UNIT)
"""A share of 577 dollars in cents, as GOOG was on the day of the LOBSTER sample; 35 of them are 20,000 dollars."""


@dataclass
class Rehearsal:
    """What one symbol's tape holds, and every instruction."""

    market: Market
    core: Core
    instructions: list[Instruction] = field(default_factory=list)
    events: list[tuple[int, float, float]] = field(default_factory=list)
    """Time in nanoseconds, best bid and ask in ticks (NaN: none)."""
    trades: list[tuple[int, float]] = field(default_factory=list)
    """Time, sign of the aggressor."""

    def tape(self) -> Tape:
        times, bids, asks = zip(*self.events, strict=True)
        trade_times, signs = zip(*self.trades, strict=True)
        return Tape(
            np.array(times, np.int64), np.array(bids), np.array(asks), np.array(trade_times, np.int64), np.array(signs)
        )


def exchange(listed: list[Listed], accounts: tuple[str, ...]) -> Core:
    """A matcher with these symbols, a cent a tick and a share a lot, and these accounts."""
    core = Core(max_orders=10_000, max_client_ids=1 << 19)
    for one in listed:
        definition = DefineInstrument(
            symbol=one.symbol,
            tick_size=Decimal("0.01"),
            lot_size=Decimal(1),
            price_min=Decimal(one.price_min) / 100,
            price_max=Decimal(one.price_max) / 100,
        )
        core.administer(core.last_seq + 1, 0, definition)
    for account in accounts:
        core.administer(core.last_seq + 1, 0, DefineAccount(account=account))
    return core


def quote_of(core: Core, instrument: int) -> Quote:
    bids, asks = core.depth(instrument + 1, 1)
    bid = (int(bids[0, 0]), int(bids[0, 1])) if len(bids) else (0, 0)
    ask = (int(asks[0, 0]), int(asks[0, 1])) if len(asks) else (0, 0)
    return Quote(*bid, *ask)


def rehearse(
    seed: int, rate: float, hours: float, *, listed: list[Listed] | None = None, closed_hours: float = 0.0
) -> Rehearsal:
    """Plays until that simulated time; the tape is the first symbol's. The first `closed_hours` are without trading."""
    symbols = listed or [GOOG_LIKE]
    market = Market(seed, symbols, rate)
    core = exchange(symbols, market.accounts)
    seen = Rehearsal(market, core)
    accounts, instruments = range(1, len(market.accounts) + 1), range(1, len(symbols) + 1)
    while market.next_s < 3600 * hours:
        instruction = market.step(lambda k: quote_of(core, k) if market.now_s >= 3600 * closed_hours else None)
        if instruction is None:
            continue
        seen.instructions.append(instruction)
        command = encode(columns([instruction]), accounts=accounts, instruments=instruments, tag="t", strategy="")
        command["seq"] = core.last_seq + 1
        reply = core.apply(command).replies[0]
        accepted = int(reply["outcome"]) == int(Outcome.ACCEPTED)
        market.answer(
            instruction, Answer(accepted, bool(reply["order_id"]), int(reply["filled"]), int(reply["leaves"]))
        )
        if instruction.instrument == 0:
            now = int(market.now_s * SECOND)
            quote = quote_of(core, 0)
            seen.events.append((now, quote.bid or np.nan, quote.ask or np.nan))
            if instruction.type == NEW and instruction.time_in_force == IOC and reply["filled"]:
                seen.trades.append((now, 1.0 if instruction.side == BUY else -1.0))
    return seen
