"""`hft backtest`, `hft strategy` and `hft compare` as a person types them."""

from __future__ import annotations

from pathlib import Path

import click
import polars as pl
import pytest
from click.testing import CliRunner

from infra.commands import hft
from infra.errors import OperatorError
from streams.backtest.result import load
from tests.streams.backtest.bar_tables import flat

PRICES = [100.0, 101, 99, 98, 97, 103, 105, 104, 99, 95, 96, 101, 107, 108, 99, 90, 91, 99, 105, 106]


@pytest.fixture
def bars(tmp_path: Path) -> str:
    flat(PRICES * 3).write_csv(tmp_path / "test.csv")
    return f"TEST={tmp_path}/test.csv"


def run(*arguments: str) -> str:
    """What is printed. Raises what the command raises."""
    found = CliRunner().invoke(hft, list(arguments), catch_exceptions=False, standalone_mode=False)
    return found.output


CROSS = ("moving-average-cross", "--param", "symbol=TEST")


def test_one_run_and_its_tables(bars: str, tmp_path: Path) -> None:
    said = run("backtest", *CROSS, "--bars", bars, "--param", "fast=1", "--param", "slow=4", "--out", f"{tmp_path}/out")
    assert "final equity" in said
    assert "market at the next open" in said
    result = load(tmp_path / "out")
    assert len(result.fills) > 5
    assert f"{result.final_equity:,.2f}" in said


def test_several_strategies_share_an_account(bars: str) -> None:
    """The only symbol of the data need not be named; strategies of one name are told apart."""
    others = ("--with", "breakout,length=3", "--with", "breakout,symbol=TEST,length=4")
    said = run("backtest", "moving-average-cross", "--bars", bars, "--param", "fast=1", "--param", "slow=4", *others)
    shares = said.partition("by strategy\n")[2].splitlines()[:3]
    assert {line.split()[0] for line in shares} == {"moving-average-c", "breakout", "breakout-3"}


def test_a_sweep_and_a_walk_forward(bars: str, tmp_path: Path) -> None:
    grid = ("--sweep", "fast=1:2:1", "--sweep", "slow=4,6", "--jobs", "1")
    said = run("backtest", *CROSS, "--bars", bars, *grid, "--out", f"{tmp_path}/out")
    assert "warning: the best of 4 trials" in said
    assert pl.read_parquet(tmp_path / "out" / "sweep.parquet").height == 4
    assert "out of sample together" in run("backtest", *CROSS, "--bars", bars, *grid, "--walk-forward", "2")


def lobster_files() -> tuple[str, ...]:
    folder = Path(__file__).parents[3] / "shared" / "marketdata" / "lobster_aapl_999"
    if not folder.exists():
        pytest.skip("../shared/marketdata/lobster_aapl_999 is not there")
    name = "AAPL_2012-06-21_34200000_57600000_{}_10.csv"
    return "--lobster", f"{folder / name.format('message')}", "--book", f"{folder / name.format('orderbook')}"


def test_a_sweep_order_by_order(tmp_path: Path) -> None:
    """Each variant comes to what it comes to alone, with the same drawn latencies."""
    (tmp_path / "latencies").write_text("100 900 2500")
    command = ("backtest", "imbalance", *lobster_files(), "--latencies", f"{tmp_path / 'latencies'}", "--book-ms", "1")
    said = run(*command, "--sweep", "threshold=0.3,0.6", "--jobs", "1", "--out", f"{tmp_path}")
    assert "2 of 2 variants could run" in said
    assert "(deflated Sharpe)" in said
    trials = pl.read_parquet(tmp_path / "sweep.parquet").sort("threshold")
    for threshold, equity in trials.select("threshold", "final_equity").rows():
        assert f"{equity:,.2f}" in run(*command, "--param", f"threshold={threshold}")
    with pytest.raises(click.UsageError, match="no --with beside it"):
        run(*command, "--sweep", "threshold=0.3", "--with", "imbalance")


def test_a_sweep_on_levels() -> None:
    """By the compiled twin, which is what levels are for."""
    files = lobster_files()
    said = run("backtest", "imbalance", "--levels", *files, "--sweep", "threshold=0.1,0.5")
    assert "2 of 2 variants could run" in said
    assert "threshold=0.5" in said
    with pytest.raises(click.UsageError, match="no --walk-forward"):
        run("backtest", "imbalance", "--levels", *files, "--sweep", "threshold=0.1", "--walk-forward", "1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("backtest", "nothing", "--bars", "{bars}"), "no such strategy"),
        (("backtest", *CROSS, "--bars", "{bars}", "--param", "fast=x"), "fast: expected `int`"),
        (("backtest", *CROSS, "--bars", "{bars}", "--param", "fast"), "write name=value"),
        (("backtest", *CROSS, "--bars", "X=none.csv"), "No such file"),
        (("backtest", *CROSS, "--bars", "{bars}", "--bars", "{bars}"), "a symbol is there twice"),
        (("backtest", *CROSS, "--bars", "{bars}", "--start", "soon"), "write a date or time"),
        (("backtest", *CROSS, "--levels"), "has no compiled twin"),
        (("backtest", "pairs", "--bars", "{bars}"), "first, second: required by Pairs"),
        (("backtest", *CROSS, "--bars", "{bars}", "--with", "breakout,length"), "write name=value"),
        (("strategy", "show", "nothing"), "no such strategy"),
        (("strategy", "run", "imbalance", "--account", "a", "--run", "a-name-that-is-too-long"), "1 to 16 characters"),
        (("compare", "--day", "soon", "--account", "a"), "write a date as"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: tuple[str, ...], message: str, bars: str) -> None:
    with pytest.raises(OperatorError, match=message) as raised:
        run(*(argument.format(bars=bars) for argument in arguments))
    assert "\n" not in str(raised.value)


def test_strategies_are_listed_and_shown() -> None:
    listed = run("strategy", "list")
    for name in ("breakout", "execution", "imbalance", "market-making", "moving-average-cross", "pairs"):
        assert name in listed
        assert (Path(__file__).parents[2] / "docs" / "strategies" / f"{name}.md").exists(), "each has its page"
        assert "symbol" in run("strategy", "show", name) or name == "pairs"
