"""Streams of commands through the engine and its reference, as many as are asked for.

    python tests/engine/fuzz.py --commands 1000000 --first-seed 0

Prints how often everything happened; at the first difference the seed, and what differs."""

from __future__ import annotations

import argparse
import sys

from twins import LongStream


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    long = LongStream(options.first_seed)
    try:
        long.run(options.commands)
    except AssertionError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    last = long.seed - 1
    sys.stdout.write(f"{long.census.table()}\n\n{long.commands:,} commands, seeds {options.first_seed} to {last}: ")
    sys.stdout.write(f"no difference, {long.trades:,} trades\n")
    missing = long.census.missing()
    if missing and options.commands >= 1_000_000:
        sys.stderr.write(f"never happened: {', '.join(missing)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
