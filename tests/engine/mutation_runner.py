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
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any, Final, NamedTuple

import crowds
import order_flow
import small_exchange
from compare import Answer, answer, difference, one
from cramped import cramped
from mutants import MUTANTS, Mutant
from order_flow import Batch
from table_player import Player
from trader_tables import read

import engine.jit
from engine.reference import Reference

TABLES: Final = Path(__file__).parent / "tables"
LIMIT_S: Final = 8
"""Of processor time: many times what the matcher needs."""
ROOMS: Final = ((60, 70), (10, 100), (500, 1000), (100, 120))
"""(max_orders, max_client_ids) of the streams."""
COMMANDS: Final = 3_000
CROWD: Final = 25
BATCH: Final = 3
LOOK: Final = 10
"""The whole state is compared after each batch of so many."""


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


class Stream(NamedTuple):
    room: dict[str, int]
    batches: list[Batch]
    answers: list[Answer]
    """The reference's to each batch."""


@cache
def streams() -> list[Stream]:
    found = []
    for seed, (max_orders, max_client_ids) in enumerate(ROOMS):
        room = {"max_orders": max_orders, "max_client_ids": max_client_ids}
        slow = Reference(**room)
        seq = small_exchange.define(slow)
        directed = (crowds.sweep(CROWD, seq), crowds.ladder(seq + 1_000), crowds.stops(CROWD, seq + 2_000))
        batches = [one(records[k : k + BATCH]) for records in directed for k in range(0, len(records), BATCH)]
        batches += crowds.commands(CROWD, seq + 3_000)
        batches += order_flow.stream(seed, COMMANDS, seq + 4_000, most=BATCH)
        answers = [answer(slow, batch, state=place % LOOK == 0) for place, batch in enumerate(batches)]
        found.append(Stream(room, batches, answers))
    return found


def differences() -> Iterator[str]:
    core = sys.modules["engine.core"].Core  # type: ignore[attr-defined]
    for place, stream in enumerate(streams()):
        fast = (cramped(core) if place % 2 else core)(**stream.room)
        small_exchange.define(fast)
        done = 0
        for batch, wanted in zip(stream.batches, stream.answers, strict=True):
            found = difference(answer(fast, batch, state=bool(wanted.state)), wanted, batch)
            if found:
                yield f"after {done} commands: {found.partition(':')[0]}"
            done += batch.count
    for path in sorted(TABLES.glob("*.txt")):
        for case in read(path):
            try:
                Player(core, case).play()
            except AssertionError:
                yield f"table {path.stem}: {case.title}"


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
