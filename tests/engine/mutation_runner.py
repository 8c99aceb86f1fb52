"""Runs mutants of the matcher as plain Python and says how each was caught; a program of its own, because what is
compiled cannot be changed under a running interpreter.

    NUMBA_DISABLE_JIT=1 python mutation_runner.py

Prints one JSON array of [what, verdict]. Verdict: `no difference`, or the difference, exception or endless loop that
gave the mutant away. The first is the matcher as it is.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import json
import multiprocessing
import signal
import sys
from collections.abc import Iterator
from functools import cache
from types import CodeType, FrameType, ModuleType
from typing import Any, Final

import numpy as np
import order_flow
from compare import Answer, answer, difference
from mutants import MUTANTS, Mutant
from numpy.typing import NDArray

import engine.jit
from engine.reference import Reference

LIMIT_S: Final = 5
"""Of processor time: many times what the matcher needs."""
FIRST_REPORTS: Final = 4
"""So few that making room for more reports is part of what is compared."""
ROOMS: Final = ((60, 70), (10, 100), (500, 1000), (500, 600))
"""(max_orders, max_client_ids) of the streams."""
COMMANDS: Final = 2_500
SWEEP: Final = 25
BATCH: Final = 3


class Source(importlib.abc.SourceLoader, importlib.abc.MetaPathFinder):
    """Gives one module of the engine another source."""

    def __init__(self, module: str, source: str) -> None:
        self.module = module
        self.source = source

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> Any:
        return importlib.util.spec_from_loader(name, self) if name == self.module else None

    def get_filename(self, fullname: str) -> str:
        return f"<mutant of {fullname}>"

    def get_data(self, path: str) -> bytes:
        return self.source.encode()

    def source_to_code(self, data: Any, path: Any, **options: Any) -> CodeType:
        return compile(data, path, "exec", dont_inherit=True)


@cache
def streams() -> list[tuple[tuple[int, int], list[NDArray[Any]], list[Answer]]]:
    """Batches of commands, and the reference's answers to each."""
    found = []
    for seed, room in enumerate(ROOMS):
        slow = Reference(max_orders=room[0], max_client_ids=room[1])
        seq = order_flow.define(slow)
        directed = [order_flow.sweep(SWEEP, seq), order_flow.ladder(seq + 1_000)]
        commands = np.concatenate([*directed, order_flow.stream(seed, COMMANDS, seq + 2_000)])
        batches = [commands[start : start + BATCH] for start in range(0, len(commands), BATCH)]
        found.append((room, batches, [answer(slow, batch, len(order_flow.INSTRUMENTS)) for batch in batches]))
    return found


def differences() -> Iterator[str]:
    core = sys.modules["engine.core"]
    assert hasattr(core, "FIRST_REPORTS")
    core.FIRST_REPORTS = FIRST_REPORTS
    for (max_orders, max_client_ids), batches, expected in streams():
        fast = core.Core(max_orders=max_orders, max_client_ids=max_client_ids)
        order_flow.define(fast)
        for number, (batch, wanted) in enumerate(zip(batches, expected, strict=True)):
            found = difference(answer(fast, batch, len(order_flow.INSTRUMENTS)), wanted, batch)
            if found:
                yield f"after {number * BATCH} commands: {found.partition(':')[0]}"


def verdict(mutant: Mutant | None) -> str:
    """Runs in a process of its own."""

    def too_long(signal_number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    signal.signal(signal.SIGVTALRM, too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
    try:
        if mutant is not None:
            sys.meta_path.insert(0, Source(f"engine.{mutant.file}", mutant.source()))
        import engine.core  # noqa: F401 - the mutant comes with this import

        return next(differences(), "no difference")
    except TimeoutError:
        return "runs on without an end"
    except Exception as error:  # whatever the mutant breaks gives it away
        return f"{type(error).__name__}: {error}"[:120]
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def main() -> None:
    assert not engine.jit.COMPILED, "set NUMBA_DISABLE_JIT=1"
    streams()
    for mutant in MUTANTS:
        mutant.source()  # one that no longer applies is an error, not a catch
    mutants = [None, *MUTANTS]
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        verdicts = pool.map(verdict, mutants, chunksize=1)
    names = ["the matcher as it is", *(mutant.what for mutant in MUTANTS)]
    sys.stdout.write(json.dumps(list(zip(names, verdicts, strict=True))))


if __name__ == "__main__":
    main()
