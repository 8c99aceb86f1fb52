"""`hft load`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from infra.settings import load as load_settings

if TYPE_CHECKING:
    from infra.load.latencies import Level

RATES = "500,1000,2000,5000,10000,20000,50000,100000,200000,500000,1000000"


def _rates(context: click.Context, parameter: click.Parameter, text: str) -> list[float]:
    try:
        rates = [float(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text} is not a list of numbers, as 500,1000,2000") from None
    if any(rate <= 0 for rate in rates) or rates != sorted(rates):
        raise click.BadParameter("rates are above 0, and rise")
    return rates


@click.command("load")
@click.option("--account", required=True, help="Whose orders they are: make one for this (hft account create).")
@click.option("--symbol", required=True, help="Buy orders at its lowest price, which trade with nobody.")
@click.option(
    "--rates", default=RATES, show_default=True, callback=_rates, help="Orders a second, one after the other."
)
@click.option("--seconds", default=10.0, show_default=True, type=click.FloatRange(0.1, 600), help="At each rate.")
@click.option("--factor", default=10.0, show_default=True, type=click.FloatRange(min=1.1),
              help="A rate is too much where its p99 is this many times that of the first.")  # fmt: skip
@click.option("--seed", default=1, show_default=True, help="Of the arrivals.")
def load(account: str, symbol: str, rates: list[float], seconds: float, factor: float, seed: int) -> None:
    """Find the rate at which the running engine is too slow.

    Orders are due at random moments (Poisson) and sent when they are due, whether or not the ones before were answered;
    a latency counts from that moment. Half are cancels of the others, and at the end nothing rests. The load ends by
    itself: at the rate where p99 breaks, or after the last one."""
    from infra.access import issue_token
    from infra.engine_session import connected
    from infra.load import run
    from infra.load.latencies import breaking, histogram, line, shown
    from infra.load.orders import Orders

    settings = load_settings()
    minutes = int((seconds + run.LATE_S) * len(rates) / 60) + 2
    token = issue_token(settings, "load", "trader", (account,), minutes)

    def enough(levels: list[Level]) -> bool:
        return breaking(levels, factor) is not None

    with connected(settings.zeromq, token) as client:
        orders = Orders(client, account, symbol)
        click.echo(f"through ZeroMQ at {settings.zeromq}: new orders and their cancels, {seconds:g} s at each rate")
        levels = run.climb(client, orders, rates, seconds, seed, enough, lambda level: click.echo(line(level)))
        run.clean_up(client, account, symbol)
    broken = breaking(levels, factor)
    last_good = levels[-2] if broken is not None and len(levels) > 1 else levels[-1]
    click.echo(f"\n{last_good.rate:,.0f}/s, from the moment an order was due to its answer:")
    click.echo(histogram(last_good.latencies_us))
    if broken is None:
        click.echo(f"\np99 did not break: {shown(levels[-1].percentile(99))} at {levels[-1].rate:,.0f}/s")
    elif broken is levels[0]:
        click.echo(f"\nthe first rate, {broken.rate:,.0f}/s, was too much already: begin with a lower one")
    else:
        click.echo(
            f"\np99 breaks at {broken.rate:,.0f}/s: {shown(broken.percentile(99))}, "
            f"after {shown(levels[0].percentile(99))} at {levels[0].rate:,.0f}/s"
        )
