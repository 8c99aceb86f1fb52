"""Many seeds, over all processors; how often each fault happened, and how to repeat a failure.

python -m tests.simulation --seeds 500 --first-seed 0 --commands 1000
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import traceback
from collections import Counter
from functools import partial
from typing import Final, NamedTuple

from tests.simulation.faults import KINDS
from tests.simulation.world import simulate

ALL_KINDS_AFTER: Final = 500
"""A run of so many seeds must have brought every fault."""
CHUNK: Final = 4


class Outcome(NamedTuple):
    seed: int
    counts: Counter[str]
    failure: str | None


def outcome(seed: int, commands: int) -> Outcome:
    try:
        return Outcome(seed, simulate(seed, commands), None)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = "" if isinstance(error, AssertionError) and str(error) else f" ({place.filename}:{place.lineno})"
        return Outcome(seed, Counter(), f"{error or type(error).__name__}{where}")


def table(counts: Counter[str]) -> str:
    return "\n".join(f"{counts[kind]:9,}  {kind}: {meaning}" for kind, meaning in KINDS.items())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=500, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--commands", type=int, default=1000, help="of each seed, at least")
    options = parser.parse_args(arguments)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    counts: Counter[str] = Counter()
    failures = 0
    with multiprocessing.get_context("spawn").Pool(min(os.cpu_count() or 1, options.seeds)) as pool:
        for found in pool.imap(partial(outcome, commands=options.commands), seeds, chunksize=CHUNK):
            counts += found.counts
            if found.failure is not None:
                failures += 1
                again = f"python -m tests.simulation --seeds 1 --first-seed {found.seed} --commands {options.commands}"
                sys.stderr.write(f"seed {found.seed}: {found.failure}\n    again: {again}\n")
    sys.stdout.write(f"{table(counts)}\n\n{options.seeds:,} seeds of {options.commands:,} commands: ")
    sys.stdout.write(f"{failures or 'none'} failed\n")
    never = [kind for kind in KINDS if not counts[kind]]
    if never and options.seeds >= ALL_KINDS_AFTER:
        sys.stderr.write(f"never happened: {', '.join(never)}\n")
        return 1
    return 1 if failures else 0
