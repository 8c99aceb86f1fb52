"""`hft bench`: measures this program on this machine. Each run is bounded and ends by itself."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

DEFAULT_FOLDER: Final = Path(__file__).parents[3] / "shared" / "bench"
NOT_THERE: Final = 2
"""Exit code where the bench folder is not there."""


def say(text: str) -> None:
    """What goes on, for the person who waits."""
    click.echo(f"… {text}", err=True)


def with_json(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures to this file too."
    )(command)


def show(result: Any, file: Path | None) -> None:
    """Prints the result; exits with 1 where something did not agree."""
    click.echo(result.text)
    if file is not None:
        result.write(file)
    sys.exit(0 if result.ok else 1)


@click.group()
def bench() -> None:
    """Measure speed, latency, memory and start on this machine."""


@bench.command("engine")
@click.option(
    "--bench-folder",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_FOLDER,
    help="Where orderflow.py and prototype_matcher.py are [default: ../shared/bench].",
)
@click.option("--operations", type=click.IntRange(min=1000), default=3_000_000, show_default=True)
@click.option("--pairs", type=click.IntRange(min=1), default=7, show_default=True, help="Runs, ours and the other's.")
@click.option("--seed", type=int, default=42, show_default=True)
@click.option("--max-orders", type=click.IntRange(min=1000), help="Room of the whole core [default: HFT_MAX_ORDERS].")
@click.option("--by-order-id", is_flag=True, help="Cancels name the order_id, not the client_order_id.")
@with_json
def engine(
    folder: Path,
    operations: int,
    pairs: int,
    seed: int,
    max_orders: int | None,
    by_order_id: bool,
    file: Path | None,
) -> None:
    """The matcher in memory, on the stream that others are measured on."""
    from infra.bench.prototype import PROGRAM as PROTOTYPE
    from infra.bench.stream import PROGRAM as GENERATOR
    from infra.settings import load

    missing = [name for name in (GENERATOR, PROTOTYPE) if not (folder / name).is_file()]
    if missing:
        click.echo(f"hft: {missing[0]} is not in {folder}: name its folder with --bench-folder", err=True)
        sys.exit(NOT_THERE)
    from infra.bench.engine import run

    room = max_orders or load().max_orders
    show(run(folder, operations, pairs, seed, room, by_order_id, say), file)


@bench.command("zeromq")
@click.option(
    "--seconds", type=click.FloatRange(min=0.1, max=60), default=10.0, show_default=True, help="Of the burst."
)
@click.option(
    "--frame", type=click.IntRange(min=2, max=1 << 16), default=4096, show_default=True, help="Commands each."
)
@click.option("--singles", type=click.IntRange(min=10, max=1_000_000), default=20_000, show_default=True)
@click.option(
    "--sustained",
    type=click.FloatRange(min=0, max=300),
    default=20.0,
    show_default=True,
    help="Seconds with every event published; 0: without that part, and without Kafka.",
)
@with_json
def zeromq(seconds: float, frame: int, singles: int, sustained: float, file: Path | None) -> None:
    """The engine's ZeroMQ door, from another process, journal on."""
    from infra.bench.zeromq import run

    show(run(seconds, frame, singles, sustained, say), file)


@bench.command("kafka")
@click.option("--orders", type=click.IntRange(min=100), default=1_000_000, show_default=True, help="Filled in first.")
@click.option(
    "--latency-orders", type=click.IntRange(min=100), default=15_000, show_default=True, help="In each round."
)
@click.option("--rate", type=click.IntRange(min=1), default=5000, show_default=True, help="Their orders a second.")
@with_json
def kafka(orders: int, latency_orders: int, rate: int, file: Path | None) -> None:
    """Orders from Kafka and events to it, through a broker of its own."""
    from infra.bench.kafka import run

    show(run(orders, latency_orders, rate, say), file)


@bench.command("streams")
@click.option("--fills", type=click.IntRange(min=1000), default=100_000, show_default=True, help="Filled in first.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Of each kind of worker.")
@click.option("--orders", type=click.IntRange(min=100), default=15_000, show_default=True, help="For the latency.")
@click.option("--rate", type=click.IntRange(min=1), default=1000, show_default=True, help="Their orders a second.")
@with_json
def streams(fills: int, rounds: int, orders: int, rate: int, file: Path | None) -> None:
    """The books of account: fills a second beside agents that do nothing, and from an order to its position."""
    from infra.bench.streams import run

    show(run(fills, rounds, orders, rate, say), file)


@bench.command("memory")
@click.option("--orders", type=click.IntRange(min=1000), default=1_000_000, show_default=True)
@with_json
def memory(orders: int, file: Path | None) -> None:
    """What open orders take, and that a full engine refuses rather than grows."""
    from infra.bench.memory import run

    show(run(orders), file)


@bench.command("start")
@click.option("--times", type=click.IntRange(min=1), default=7, show_default=True)
@with_json
def start(times: int, file: Path | None) -> None:
    """From nothing to a ready engine."""
    from infra.bench.start import run

    show(run(times, say), file)


@bench.command("sinks")
@click.option("--records", type=click.IntRange(min=1000), default=400_000, show_default=True, help="Of each run.")
@with_json
def sinks(records: int, file: Path | None) -> None:
    """From Kafka's topics to Postgres, both of its own, beside a bare COPY."""
    from infra.bench.sinks import run

    show(run(records, say), file)


@bench.command("backtest")
@click.option("--bars", type=click.IntRange(min=1000), default=20_000, show_default=True, help="Of a random walk.")
@click.option(
    "--operations", type=click.IntRange(min=1000), default=100_000, show_default=True, help="Synthetic orders."
)
@click.option("--seed", type=int, default=42, show_default=True)
@click.option(
    "--marketdata-folder",
    "marketdata",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_FOLDER.parent / "marketdata",
    help="Where the recorded day is [default: ../shared/marketdata].",
)
@click.option(
    "--bench-folder",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_FOLDER,
    help="Where orderflow.py is [default: ../shared/bench].",
)
@with_json
def backtest(bars: int, operations: int, seed: int, marketdata: Path, folder: Path, file: Path | None) -> None:
    """Bars/s beside backtrader and backtesting.py, and events/s on a recorded day and the synthetic stream."""
    from infra.bench.backtest import run

    show(run(bars, marketdata, folder, operations, seed, say), file)


@bench.command("gateway")
@click.option("--seconds", type=click.FloatRange(min=0.5, max=30), default=3.0, show_default=True, help="Of each run.")
@click.option(
    "--pairs", type=click.IntRange(min=1, max=20), default=3, show_default=True, help="Runs, ours and the other's."
)
@click.option("--connections", type=click.IntRange(min=1, max=256), default=16, show_default=True)
@click.option(
    "--rate", type=click.IntRange(min=1), default=500, show_default=True, help="Orders a second, of the second part."
)
@with_json
def gateway(seconds: float, pairs: int, connections: int, rate: int, file: Path | None) -> None:
    """Orders over REST beside a bare Starlette route, and from an order to its event in the stream."""
    from infra.bench.gateway import run

    show(run(seconds, pairs, connections, rate, say), file)


@bench.command("sse")
@click.option("--clients", type=click.IntRange(min=2), default=1000, show_default=True)
@click.option("--stalled", type=click.IntRange(min=1), default=100, show_default=True, help="Of them, reading nothing.")
@click.option(
    "--rate", type=click.IntRange(min=1), default=10, show_default=True, help="Events a second for each client."
)
@click.option("--seconds", type=click.FloatRange(min=1, max=60), default=10.0, show_default=True, help="Of each run.")
@with_json
def sse(clients: int, stalled: int, rate: int, seconds: float, file: Path | None) -> None:
    """From a fill to every client's event, with none stalled and with some."""
    from infra.bench.sse import run

    show(run(clients, stalled, rate, seconds, say), file)


@bench.command("outage")
@click.option("--window", type=click.FloatRange(min=0.5, max=600), default=120.0, show_default=True, help="Seconds.")
@click.option("--rounds", type=click.IntRange(min=1), default=2, show_default=True, help="Windows with, and without.")
@click.option("--rate", type=click.IntRange(min=1), default=200, show_default=True, help="Round trips a second.")
@with_json
def outage(window: float, rounds: int, rate: int, file: Path | None) -> None:
    """Orders while Postgres, and then Redis, is there and away in turns."""
    from infra.bench.outage import run

    show(run(window, rounds, rate, say), file)


@bench.command("capacity")
@click.option("--orders", type=click.IntRange(min=1000), default=50_000, show_default=True, help="By ZeroMQ.")
@click.option("--rest", type=click.IntRange(min=100), default=3_000, show_default=True, help="Orders by REST, besides.")
@click.option("--rate", type=click.IntRange(min=1), default=1_000, show_default=True, help="By ZeroMQ, a second.")
@click.option("--clients", type=click.IntRange(min=1), default=200, show_default=True, help="Of the event stream.")
@click.option("--idle", type=click.FloatRange(min=1), default=10.0, show_default=True, help="Seconds without, thrice.")
@with_json
def capacity(orders: int, rest: int, rate: int, clients: int, idle: float, file: Path | None) -> None:
    """What an order, a client and a gigabyte cost the system that runs (this one, hft up)."""
    from infra.bench.capacity import run
    from infra.settings import load

    show(run(load(), orders, rest, rate, clients, idle, say), file)


@bench.command("tuning")
@click.argument("names", nargs=-1)
@click.option("--pairs", type=click.IntRange(min=1), default=5, show_default=True, help="Engines, with and without.")
@click.option("--singles", type=click.IntRange(min=10), default=3_000, show_default=True, help="One at a time, each.")
@click.option("--seconds", type=click.FloatRange(min=0.1), default=1.5, show_default=True, help="Of each one's burst.")
@click.option("--frame", type=click.IntRange(min=2, max=8192), default=4096, show_default=True, help="Commands of one.")
@with_json
def tuning(names: tuple[str, ...], pairs: int, singles: int, seconds: float, frame: int, file: Path | None) -> None:
    """What each of the engine's settings gains: busy-poll, engine-cpu, lock-memory, huge-pages; all, or those NAMED."""
    from infra.bench.tuning import GAINS, run

    for name in names:
        if name not in GAINS:
            raise click.BadParameter(f"{name}: there are {', '.join(GAINS)}")
    show(run(list(names) or list(GAINS), pairs, singles, seconds, frame, say), file)


@bench.command("metrics")
@click.option("--pairs", type=click.IntRange(min=1), default=15, show_default=True, help="Runs, with and without.")
@click.option("--singles", type=click.IntRange(min=10), default=3_000, show_default=True, help="One at a time, a run.")
@click.option("--seconds", type=click.FloatRange(min=0.1), default=1.5, show_default=True, help="Of a run's burst.")
@click.option("--frame", type=click.IntRange(min=2, max=8192), default=4096, show_default=True, help="Commands of one.")
@with_json
def metrics(pairs: int, singles: int, seconds: float, frame: int, file: Path | None) -> None:
    """What the engine's metrics cost an order, with and without them in turns."""
    from infra.bench.metrics import run

    show(run(pairs, singles, seconds, frame, say), file)
