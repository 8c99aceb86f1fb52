"""`hft compare`: a live day's orders through the backtester, and every difference by its cause."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from infra.errors import OperatorError
from infra.settings import load

DAY_NS: Final = 86_400 * 10**9


@click.command()
@click.option("--day", required=True, help="Date of the day, UTC, as 2026-01-31.")
@click.option("--account", required=True, help="Whose orders.")
@click.option("--latency-us", type=click.FloatRange(min=0), default=0.0, show_default=True, help="The backtest's.")
@click.option("--live-latency-us", type=click.FloatRange(min=0), default=0.0, show_default=True, help="What live took.")
@click.option(
    "--slippage", type=click.IntRange(min=0), default=0, show_default=True, help="Ticks the backtest assumes."
)
@click.option("--maker-fee-ppm", type=int, help="Fee that the backtest assumes [default: the engine's].")
@click.option("--taker-fee-ppm", type=int, help="So for takers.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write every line as JSON too.")
def compare(
    day: str,
    account: str,
    latency_us: float,
    live_latency_us: float,
    slippage: int,
    maker_fee_ppm: int | None,
    taker_fee_ppm: int | None,
    file: Path | None,
) -> None:
    """Play the orders of a live day in the backtester, and itemise what differs: data, latency, queue position,
    slippage, fee."""
    from engine import messages, topics
    from engine.command_rows import CommandError
    from streams.backtest.bar_data import DataError
    from streams.backtest.compare import CAUSES, Assumed
    from streams.backtest.compare import compare as compare_day
    from streams.backtest.topics import records, values

    try:
        start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    except ValueError:
        raise OperatorError(f"--day {day}: write a date as 2026-01-31") from None
    start_ns = int(start.timestamp()) * 10**9
    settings = load()
    assumed = Assumed(int(latency_us * 1000), int(live_latency_us * 1000), slippage, maker_fee_ppm, taker_fee_ppm)
    try:
        commands = list(values(settings.bootstrap, topics.COMMANDS))
        fills = records(settings.bootstrap, topics.FILLS, messages.Fill)
        found = compare_day(
            commands, fills, account, start_ns, start_ns + DAY_NS, assumed, max_orders=settings.max_orders
        )
    except (DataError, CommandError) as error:
        raise OperatorError(f"{error}") from None
    if found.orders == 0:
        raise OperatorError(f"{account} has no orders on {day}")
    click.echo(found.report())
    if file is not None:
        lines = [{**line._asdict(), "causes": dict(zip(CAUSES, line.causes, strict=True))} for line in found.lines]
        file.write_text(
            json.dumps(
                {
                    **{"account": account, "day": day, "money_unit": 1e-6},
                    **{"against_the_middle_at_arrival": found.arrival._asdict(), "lines": lines},
                },
                indent=1,
            )
            + "\n"
        )
