"""`hft strategy`: what there is, what it takes, a new one of your own, and running one live."""

from __future__ import annotations

from pathlib import Path

import click

from infra.errors import OperatorError


def pairs(texts: tuple[str, ...]) -> dict[str, str]:
    """`k=v` texts of --param. Raises `OperatorError`."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise OperatorError(f"--param {text}: write name=value")
        found[name] = value
    return found


@click.group()
def strategy() -> None:
    """Strategies: list them, make one, run one."""


@strategy.command("list")
def list_strategies() -> None:
    """Show the strategies that come with the system."""
    from streams.strategies import catalog

    for name in catalog.SHIPPED:
        text = " ".join(catalog.module_text(name).partition("\n\n")[0].split())
        click.echo(f"{name:22} {text.partition(':')[0]}")


@strategy.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Show the parameters of NAME: a shipped strategy, or FILE.py of yours."""
    from streams.strategies import catalog
    from streams.strategies.strategy import parameter_texts

    try:
        kind = catalog.find(name)
    except catalog.NotFound as error:
        raise OperatorError(f"{error}") from None
    for parameter, kind_text, default in parameter_texts(kind):
        click.echo(f"{parameter:22} {kind_text:10} {default}")


@strategy.command("run")
@click.argument("name")
@click.option("--account", required=True, help="The account that it trades on.")
@click.option("--run", "run_name", help="Name of the run; the same name goes on with it [default: NAME].")
@click.option("--param", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of the strategy; repeat.")
@click.option("--cash", default="100000", show_default=True, help="What it counts on for equity and targets.")
def run(name: str, account: str, run_name: str | None, given: tuple[str, ...], cash: str) -> None:
    """Run NAME on the running system until Ctrl-C. Started again under the same name, it goes on where it was."""
    import logging

    from infra.live_strategy import run as run_live

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    run_live(name, account, run_name or Path(name.partition(":")[0]).stem[:16], pairs(given), cash)


@strategy.command("replay")
@click.argument("run_name", metavar="RUN")
def replay(run_name: str) -> None:
    """Play a live RUN again from the topics: the same orders, fills and P&L, or what differs."""
    import sys

    from infra.settings import load
    from streams.backtest.bar_data import DataError
    from streams.backtest.recorded import replay as play_again

    settings = load()
    try:
        found = play_again(settings.bootstrap, run_name, max_orders=settings.max_orders)
    except DataError as error:
        raise OperatorError(f"{error}") from None
    click.echo(found.report())
    sys.exit(0 if found.ok else 1)


@strategy.command("new")
@click.argument("name")
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Where [default: here]."
)
def new(name: str, folder: Path) -> None:
    """Write a working skeleton NAME.py and its test."""
    from streams.strategies.scaffold import ScaffoldError, write

    try:
        files = write(name, folder)
    except ScaffoldError as error:
        raise OperatorError(f"{error}") from None
    for file in files:
        click.echo(f"wrote {file}")
    click.echo(f"try it: python -m pytest {files[1]}")
    click.echo(f"then:   hft backtest {files[0]} --bars SYMBOL=FILE.csv --param symbol=SYMBOL")
