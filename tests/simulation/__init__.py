"""The engine in one process, on a disk, a clock and a Kafka that fail where a seed says so.

    python -m tests.simulation --seeds 500 --first-seed 0 --commands 1000

The commands are those of the generators in tests/engine, whose modules find each other by their plain names."""

import sys
from pathlib import Path

ENGINE_TESTS = str(Path(__file__).parents[1] / "engine")
if ENGINE_TESTS not in sys.path:
    sys.path.append(ENGINE_TESTS)
