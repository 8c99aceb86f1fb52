"""Puts the same commands through two engines and finds the first difference."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from order_flow import Batch
from small_exchange import ACCOUNTS, INSTRUMENTS

LEVELS: Final = 64
"""Levels a side that are compared: more than the streams of `order_flow` have prices."""
NEXT_EXPIRY: Final = "next expiry"
"""The engine may say too early a time, but not too late a one."""


def rows_text(rows: NDArray[Any]) -> str:
    """Records as text, without the fields that are zero."""
    lines = []
    for row in rows:
        fields = zip(rows.dtype.names or (), row.item(), strict=True)
        shown = [f"{name}={value!r}" for name, value in fields if value not in (0, b"") and name not in ("pad", "tail")]
        lines.append("    " + " ".join(shown))
    return "\n".join(lines) or "    nothing"


def same(left: NDArray[Any], right: NDArray[Any]) -> bool:
    """Bit for bit."""
    return left.shape == right.shape and left.tobytes() == right.tobytes()


class Answer(NamedTuple):
    """What an engine answered to a batch of commands, and what it is like afterwards."""

    reports: NDArray[Any]
    replies: NDArray[Any]
    state: dict[str, Any]
    """What was asked of the engine → its answer."""


def state_of(engine: Any, instruments: int, accounts: int) -> dict[str, Any]:
    """Everything that both engines can be asked for."""
    state: dict[str, Any] = {NEXT_EXPIRY: int(engine.next_expiry)}
    for number in range(1, instruments + 1):
        bids, asks = engine.depth(number, LEVELS)
        state[f"bids of instrument {number}"] = np.asarray(bids).tolist()
        state[f"asks of instrument {number}"] = np.asarray(asks).tolist()
        state[f"last price of instrument {number}"] = int(engine.last_price(number))
        state[f"phase of instrument {number}"] = int(engine.phase(number))
        state[f"rest of instrument {number}"] = tuple(int(n) for n in engine.rest(number))
        state[f"indicative of instrument {number}"] = tuple(int(n) for n in engine.indicative(number))
        for account in range(1, accounts + 1):
            position = engine.position(account, number)
            state[f"position of account {account} in instrument {number}"] = tuple(int(n) for n in position)
    return state


def carry_out(engine: Any, batch: Batch) -> Any:
    """Reports and replies."""
    if batch.command is not None:
        return engine.administer(batch.seq, batch.ts_ns, batch.command)
    return engine.apply(batch.records)


def answer(
    engine: Any, batch: Batch, instruments: int = len(INSTRUMENTS), accounts: int = len(ACCOUNTS), state: bool = True
) -> Answer:
    applied = carry_out(engine, batch)
    reports, replies = applied.reports.copy(), applied.replies.copy()
    return Answer(reports, replies, state_of(engine, instruments, accounts) if state else {})


def difference(got: Answer, wanted: Answer, batch: Batch) -> str | None:
    """What is not the same in two answers to `batch`; None where all is."""
    asked = f"commands\n{rows_text(batch.records[:20]) if batch.command is None else f'    {batch.command}'}"
    for what, mine, other in (("reports", got.reports, wanted.reports), ("replies", got.replies, wanted.replies)):
        if not same(mine, other):
            first = next((k for k in range(min(len(mine), len(other))) if not same(mine[k], other[k])), 0)
            shown = slice(max(0, first - 8), first + 8)
            both = f"got\n{rows_text(mine[shown])}\nexpected\n{rows_text(other[shown])}"
            return f"{what} from {shown.start}: {asked}\n{both}"
    for what, other in wanted.state.items():
        mine = got.state[what]
        if mine > other if what == NEXT_EXPIRY else mine != other:
            return f"{what}: {asked}\ngot\n    {mine}\nexpected\n    {other}"
    return None


def one(records: NDArray[Any]) -> Batch:
    """COMMAND records as a batch."""
    return Batch(int(records["seq"][0]), int(records["ts_ns"][0]), records)


def compare(fast: Any, slow: Any, records: NDArray[Any], instruments: int = len(INSTRUMENTS)) -> str | None:
    """Applies COMMAND records to both engines as one batch, and gives their first difference."""
    return compare_batch(fast, slow, one(records), instruments)


def compare_batch(fast: Any, slow: Any, batch: Batch, instruments: int = len(INSTRUMENTS)) -> str | None:
    return difference(answer(fast, batch, instruments), answer(slow, batch, instruments), batch)


def compare_stream(fast: Any, slow: Any, batches: Iterable[Batch]) -> str | None:
    """The first difference over a stream, with its place in it."""
    done = 0
    for batch in batches:
        found = compare_batch(fast, slow, batch)
        if found:
            return f"after {done} commands: {found}"
        done += batch.count
    return None
