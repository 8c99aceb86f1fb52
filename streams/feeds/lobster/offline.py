"""Plays a planned LOBSTER day through the matcher in this process, one message at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.core import Core
from engine.messages import DefineAccount
from streams.feeds.instructions import encode
from streams.feeds.interrupt import interrupt_noted
from streams.feeds.lobster import plan as plans
from streams.feeds.lobster.plan import ACCOUNTS, DEPOSIT, PROGRESS_ROWS, STRATEGY, Plan, Progress
from streams.feeds.lobster.reader import Day
from streams.feeds.lobster.result import Result


def play(day: Day, symbol: str, source: str, progress: Progress | None) -> Result:
    """The whole day, compared after every message."""
    definition = plans.instrument(day, symbol)
    tick = plans.tick_of(day, definition)
    plan = plans.make(day, symbol, tick)
    result = Result(symbol, source, "on a matcher in this process", plan, dated=day.day is not None)
    core = Core(max_orders=len(plan.instructions) + 1)
    core.administer(1, 0, definition)
    for seq, account in enumerate(ACCOUNTS, start=2):
        core.administer(seq, 0, DefineAccount(account=account, deposit=DEPOSIT))
    levels = run(core, day, plan, result, progress)
    result.judge(plans.expected(day, tick)[: len(levels)], levels)
    return result


def run(core: Core, day: Day, plan: Plan, result: Result, progress: Progress | None) -> NDArray[np.int64]:
    """The engine's levels after each row, (rows, 2, levels, 2); fewer rows where the user interrupts."""
    commands = encode(
        plan.instructions, accounts=range(1, len(ACCOUNTS) + 1), instruments=[1], tag="L", strategy=STRATEGY
    )
    levels = np.zeros((plan.rows, 2, day.levels, 2), np.int64)
    with interrupt_noted() as interrupted:
        for row in range(plan.rows):
            if interrupted.is_set():
                result.stopped = True
                return levels[:row]
            stamp_ns = int(plan.transact_ns[row])
            first, end = plan.span(row)
            if end > first:
                batch = commands[first:end]
                batch["seq"] = np.arange(core.last_seq + 1, core.last_seq + 1 + end - first)
                batch["ts_ns"] = batch["transact_ns"] = stamp_ns
                result.count(core.apply(batch).replies)
            if row in plan.prints:
                result.printed += result.count(core.administer(core.last_seq + 1, stamp_ns, plan.prints[row]).replies)
            for side, found in enumerate(core.depth(1, day.levels)):
                levels[row, side, : len(found)] = found[:, :2]
            if progress is not None and row % PROGRESS_ROWS == 0:
                progress(row, plan.rows)
    return levels
