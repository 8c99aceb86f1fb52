"""`hft backtest`: a strategy on recorded data, alone, in many variants, or walking forward."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.administration import Amount
from infra.commands_strategy import pairs
from infra.errors import OperatorError
from infra.settings import load

if TYPE_CHECKING:
    from streams.backtest.bar_data import BarSeries
    from streams.backtest.bars import Plan
    from streams.backtest.latency import Latency
    from streams.backtest.result import Result
    from streams.backtest.seats import Entrant
    from streams.backtest.sweep import Fold, Task, Trial
    from streams.strategies.instrument import Listed

Progress = Callable[[int, int], None]
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@contextmanager
def progress(label: str) -> Iterator[Progress]:
    """A bar on the terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def in_one_line() -> Iterator[None]:
    """What is wrong with the data or the parameters is said in one line."""
    from streams.backtest.bar_data import DataError
    from streams.backtest.seats import Endless
    from streams.strategies.catalog import NotFound
    from streams.strategies.strategy import ParameterError

    try:
        yield
    except (DataError, Endless, NotFound, ParameterError) as error:
        raise OperatorError(f"{error}") from None


def moment(text: str | None, otherwise: int) -> int:
    """A date or time of ISO 8601, UTC where it does not say, as nanoseconds."""
    if text is None:
        return otherwise
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise OperatorError(f"{text}: write a date or time as 2026-01-31 or 2026-01-31T14:30") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()) * 10**9


FOREVER_NS = 2**63 - 1
LONGEST_TAG = 16
"""Letters of a strategy's name that its orders carry."""


@click.command()
@click.argument("strategy")
@click.option("--param", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of the strategy; repeat.")
@click.option(
    "--with",
    "others",
    multiple=True,
    metavar="STRATEGY[,NAME=VALUE…]",
    help="Another strategy, on the same account; repeat.",
)
@click.option("--bars", multiple=True, metavar="[SYMBOL=]FILE", help="Bars in a .csv or .parquet file; repeat.")
@click.option("--from-postgres", "postgres", multiple=True, metavar="SYMBOL", help="Bars of the trades in Postgres.")
@click.option("--from-topics", "kafka", multiple=True, metavar="SYMBOL", help="Bars of the trades in Kafka.")
@click.option("--from-alpaca", "alpaca", multiple=True, metavar="SYMBOL", help="Past bars from Alpaca (needs keys).")
@click.option(
    "--lobster", type=FILE, help="A LOBSTER message file, or its zip: a day of orders on the engine's matcher."
)
@click.option("--book", type=FILE, help="The LOBSTER order book file that belongs to it.")
@click.option(
    "--dbn",
    multiple=True,
    type=FILE,
    help="A Databento MBO file: levels for a compiled twin, else bars of its trades; repeat.",
)
@click.option("--levels", is_flag=True, help="With --lobster: levels and trades only, by the strategy's compiled twin.")
@click.option("--queue", type=click.Choice(["behind", "proportional"]), default="behind", help="On levels: who left.")
@click.option(
    "--latency-us", type=click.FloatRange(min=0), default=0.0, show_default=True, help="Each way, microseconds."
)
@click.option(
    "--latencies", type=FILE, help="Measured latencies instead: a text file, a number of microseconds a line."
)
@click.option(
    "--book-ms", type=click.FloatRange(min=0), default=50.0, show_default=True, help="Books at most so often."
)
@click.option("--seconds", type=click.IntRange(min=1), default=60, show_default=True, help="Length of those bars.")
@click.option("--start", help="From this date or time on, UTC.")
@click.option("--end", help="Up to this date or time.")
@click.option("--tick", type=Amount(), help="Tick size of the bars [default: the decimals that prices have].")
@click.option("--cash", type=Amount(), default="10000", show_default=True, help="What the account begins with.")
@click.option("--fee-ppm", type=int, help="Fee in millionths of the notional [default: the instrument's].")
@click.option("--fee-per-unit", type=Amount(), default="0", help="Fee for each unit.")
@click.option("--slippage", type=click.IntRange(min=0), default=0, show_default=True, help="Ticks, at the market.")
@click.option("--participation", type=click.FloatRange(min=0, max=1, min_open=True), help="Most of a bar's volume.")
@click.option("--touch", is_flag=True, help="Limits fill when a bar only touches them.")
@click.option("--margin", type=Amount(), help="Largest exposure as a multiple of equity [default: not checked].")
@click.option("--close-out", is_flag=True, help="Close what is held at the open of the last bar.")
@click.option("--sweep", multiple=True, metavar="NAME=A,B|FIRST:LAST:STEP", help="Try every combination; repeat.")
@click.option("--walk-forward", type=click.IntRange(min=1), help="With --sweep: choose on the past, judge on the next.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes of a sweep [default: one a processor].")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the result's tables.")
def backtest(strategy: str, given: tuple[str, ...], out: Path | None, **options: Any) -> None:
    """Run STRATEGY (a shipped name, or FILE.py) on recorded data."""
    with in_one_line():
        if options["levels"] or (options["dbn"] and has_twin(strategy)):
            if options["others"] or options["walk_forward"]:
                raise click.UsageError("levels are for one strategy and one day: no --with, no --walk-forward")
            _on_levels(strategy, pairs(given), options, out)
            return
        if options["lobster"] is not None:
            _on_exchange(strategy, pairs(given), options, out)
            return
        data, instruments = bars_of(options)
        plan = bar_plan(options)
        _on_bars(strategy, pairs(given), data, instruments, plan, options, out)


def has_twin(strategy: str) -> bool:
    from streams.backtest.levels import TWINS

    return strategy in TWINS


def bars_of(options: Mapping[str, Any]) -> tuple[list[BarSeries], dict[str, Listed]]:
    """All bars that were asked for. Raises `DataError`, and `UsageError` where none were."""
    from streams.backtest.bar_data import DataError, series
    from streams.backtest.files import named, read_bars
    from streams.backtest.tape import bars_of as bars_of_tape

    found: list[tuple[BarSeries, Listed]] = []
    start_ns, end_ns = moment(options["start"], 0), moment(options["end"], FOREVER_NS)
    for text in options["bars"]:
        symbol, path = named(text)
        found.append(read_bars(path, symbol, tick_size=options["tick"]))
    tapes = []
    if options["postgres"]:
        from streams.backtest import database

        tapes.append((options["postgres"], database.trades(load().dsn, options["postgres"], start_ns, end_ns)))
    if options["kafka"]:
        from streams.backtest import topics

        tapes.append((options["kafka"], topics.trades(load().bootstrap, options["kafka"], start_ns, end_ns)))
    for symbols, tape in tapes:
        tables = bars_of_tape(tape, options["seconds"])
        for symbol in symbols:
            if symbol not in tables:
                raise DataError(f"{symbol}: there are no trades in that time")
            found.append(series(tables[symbol], symbol, tick_size=options["tick"]))
    found += _dbn_bars(options, start_ns, end_ns) if options["dbn"] else []
    found += _alpaca_bars(options, start_ns, end_ns) if options["alpaca"] else []
    if not found:
        raise click.UsageError(
            "give data: --bars FILE, --dbn FILE, --from-postgres SYMBOL, --from-topics SYMBOL or --from-alpaca SYMBOL"
        )
    symbols = [one.symbol for one, _ in found]
    if len(set(symbols)) != len(symbols):
        raise DataError(f"a symbol is there twice: {', '.join(symbols)}")
    from streams.backtest.sweep import between

    data = between([one for one, _ in found], start_ns, end_ns)
    return data, {unit.symbol: unit for _, unit in found}


def _dbn_bars(options: Mapping[str, Any], start_ns: int, end_ns: int) -> list[tuple[BarSeries, Listed]]:
    """Of the trades of every instrument in the files. Raises `DataError`."""
    import polars as pl

    from streams.backtest import dbn_tape
    from streams.backtest.bar_data import DataError, series
    from streams.backtest.tape import bars_of as bars_of_tape
    from streams.feeds.dbn import DbnError

    try:
        tape, ticks = dbn_tape.trades(options["dbn"])
    except DbnError as error:
        raise DataError(f"{error}") from None
    tables = bars_of_tape(tape.filter(pl.col("ts_ns").is_between(start_ns, end_ns, closed="left")), options["seconds"])
    return [series(table, symbol, tick_size=options["tick"] or ticks[symbol]) for symbol, table in tables.items()]


def _alpaca_bars(options: Mapping[str, Any], start_ns: int, end_ns: int) -> list[tuple[BarSeries, Listed]]:
    """Raises `DataError`, and `OperatorError` without keys."""
    from infra import alpaca_keys
    from streams.backtest.bar_data import DataError, series
    from streams.feeds.alpaca.bars import bars
    from streams.feeds.alpaca.source import Keys, SourceError

    if start_ns == 0:
        raise click.UsageError("--from-alpaca needs a --start")
    settings = load()
    keys = Keys(*alpaca_keys.needed(settings.alpaca_keys))
    last_ns = None if end_ns == FOREVER_NS else end_ns
    try:
        tables = bars(
            keys,
            options["alpaca"],
            options["seconds"],
            start_ns,
            last_ns,
            feed=settings.alpaca_feed,
            data_url=settings.alpaca_data_url,
        )
    except SourceError as error:
        raise DataError(f"Alpaca: {error}") from None
    missing = [symbol for symbol in options["alpaca"] if symbol not in tables]
    if missing:
        raise DataError(f"{', '.join(missing)}: Alpaca has no bars in that time")
    return [series(tables[symbol], symbol, tick_size=options["tick"]) for symbol in options["alpaca"]]


def bar_plan(options: Mapping[str, Any]) -> Plan:
    from streams.backtest.bar_rules import Rules
    from streams.backtest.bars import Plan
    from streams.backtest.fees import Fees

    share = options["participation"]
    return Plan(
        rules=Rules(
            touch=options["touch"],
            slippage_ticks=options["slippage"],
            participation=share or 1.0,
            limit_volume=share is not None,
        ),
        fees=Fees(options["fee_ppm"], options["fee_ppm"], per_unit=Decimal(options["fee_per_unit"])),
        cash=options["cash"],
        margin_multiple=options["margin"],
        close_out=options["close_out"],
    )


def _on_bars(
    strategy: str,
    given: dict[str, str],
    data: Sequence[BarSeries],
    instruments: Mapping[str, Listed],
    plan: Plan,
    options: Mapping[str, Any],
    out: Path | None,
) -> None:
    from streams.backtest import bars
    from streams.backtest.sweep import Job, grid
    from streams.strategies import catalog
    from streams.strategies.strategy import with_symbol

    if options["sweep"]:
        check_alone(options)
        given = with_symbol(catalog.find(strategy), given, list(instruments))
        _sweep(Job(strategy, given, data, instruments, plan), grid(options["sweep"]), options, out)
        return
    if options["walk_forward"]:
        raise click.UsageError("--walk-forward needs --sweep: it chooses among variants")
    entrants = entrants_of(strategy, given, options["others"], list(instruments))
    with progress("backtest") as tell:
        result = bars.run(data, instruments, entrants, plan, progress=tell)
    show(result, out)


def _on_exchange(strategy: str, given: dict[str, str], options: Mapping[str, Any], out: Path | None) -> None:
    from streams.backtest import exchange
    from streams.backtest.lobster_job import LobsterJob
    from streams.backtest.market import LobsterMarket
    from streams.backtest.sweep import grid
    from streams.feeds.lobster.reader import LobsterError, read
    from streams.strategies import catalog
    from streams.strategies.strategy import with_symbol

    if options["bars"] or options["dbn"] or options["postgres"] or options["kafka"] or options["walk_forward"]:
        raise click.UsageError("--lobster stands alone: no bars beside it, and no --walk-forward")
    try:
        day = read(options["lobster"], options["book"])
        if day.symbol is None:
            raise OperatorError(f"{options['lobster'].name}: no symbol in its name")
        market = LobsterMarket(day, day.symbol)
    except LobsterError as error:
        raise OperatorError(f"{error}") from None
    plan = exchange.Plan(
        latency=latency_of(options),
        cash=options["cash"],
        margin_multiple=options["margin"] or Decimal(0),
        maker_fee_ppm=options["fee_ppm"],
        taker_fee_ppm=options["fee_ppm"],
        book_ns=int(options["book_ms"] * 1_000_000),
    )
    if options["sweep"]:
        check_alone(options)
        given = with_symbol(catalog.find(strategy), given, [day.symbol])
        job = LobsterJob(strategy, given, options["lobster"], options["book"], day.symbol, plan)
        _sweep(job, grid(options["sweep"]), options, out)
        return
    entrants = entrants_of(strategy, given, options["others"], [day.symbol])
    show(exchange.run(market, entrants, plan), out)


def _on_levels(strategy: str, given: dict[str, str], options: Mapping[str, Any], out: Path | None) -> None:
    import time

    import numpy as np

    from streams.backtest import dbn_tape, levels, sweep
    from streams.backtest.fees import Fees
    from streams.feeds.dbn import DbnError
    from streams.feeds.lobster.plan import instrument
    from streams.feeds.lobster.reader import LobsterError, read
    from streams.strategies import catalog
    from streams.strategies.instrument import listed
    from streams.strategies.strategy import parameters, with_symbol

    if strategy not in levels.TWINS:
        raise OperatorError(f"{strategy} has no compiled twin: levels are for {', '.join(levels.TWINS)}")
    if bool(options["dbn"]) == (options["lobster"] is not None) or options["latencies"] is not None:
        raise click.UsageError("levels are of --dbn FILE… or of --lobster FILE, with --latency-us")
    kind = catalog.find(strategy)
    try:
        if options["dbn"]:
            chosen = parameters(kind, given)
            unit, tape = dbn_tape.read(options["dbn"], chosen.symbol)
        else:
            day = read(options["lobster"], options["book"])
            given = {**with_symbol(kind, given, [day.symbol] if day.symbol else [])}
            chosen = parameters(kind, given)
            unit, tape = listed(instrument(day, chosen.symbol)), levels.lobster_tape(day, chosen.symbol)
    except (DbnError, LobsterError) as error:
        raise OperatorError(f"{error}") from None
    twin = levels.TWINS[strategy]
    queue = levels.PROPORTIONAL if options["queue"] == "proportional" else levels.BEHIND
    delay_ns = int(options["latency_us"] * 1000)
    fees = Fees(options["fee_ppm"], options["fee_ppm"], per_unit=Decimal(options["fee_per_unit"]))
    assumed = {
        "data": f"levels and trades of {unit.symbol}, {tape.rows:,} rows",
        "queue": options["queue"],
        "latency": f"orders {options['latency_us']:g} µs",
        "fees": str(fees),
    }

    def once(chosen: Any) -> Result:
        numbers = np.array(twin.parameters(chosen, unit))
        started = time.perf_counter()
        outcome = levels.run(twin.quoting, tape, numbers, latency_ns=delay_ns, queue=queue, most_fills=1 << 20)
        seconds = time.perf_counter() - started
        return replace(levels.as_result(outcome, tape, unit, options["cash"], fees, assumed), seconds=seconds)

    if not options["sweep"]:
        show(once(chosen), out)
        return
    variants = sweep.grid(options["sweep"])
    trials = []
    with progress("sweep") as tell:
        for done, one in enumerate(variants, 1):
            trials.append(sweep.judged(one, once(parameters(kind, {**given, **one}))))
            tell(done, len(variants))
    show_trials(trials, len(variants), out)


def check_alone(options: Mapping[str, Any]) -> None:
    if options["others"]:
        raise click.UsageError("--sweep tries one strategy: no --with beside it")


def entrants_of(strategy: str, given: dict[str, str], others: Sequence[str], symbols: Sequence[str]) -> list[Entrant]:
    """The strategy and the others, all on one account; each has its own name as far as that tells them apart."""
    from streams.backtest.seats import Entrant
    from streams.strategies import catalog
    from streams.strategies.strategy import parameters, with_symbol

    wanted = [(strategy, given)]
    for text in others:
        name, *rest = text.split(",")
        wanted.append((name, pairs(tuple(rest))))
    found: list[Entrant] = []
    for name, chosen in wanted:
        kind = catalog.find(name)
        tag = Path(name.partition(":")[0]).stem[:LONGEST_TAG]
        if any(one.name == tag for one in found):
            tag = f"{tag[: LONGEST_TAG - 3]}-{len(found) + 1}"
        found.append(Entrant(kind, parameters(kind, with_symbol(kind, chosen, symbols)), tag))
    return found


def latency_of(options: Mapping[str, Any]) -> Latency:
    """One delay for news and one for orders."""
    from streams.backtest.latency import Constant, Latency, Measured

    if options["latencies"] is None:
        delay = int(options["latency_us"] * 1000)
        return Latency(Constant(delay), Constant(delay))
    try:
        samples = [int(float(line) * 1000) for line in options["latencies"].read_text().split()]
        return Latency(Measured(samples, seed=1), Measured(samples, seed=2))
    except ValueError as error:
        raise OperatorError(f"{options['latencies']}: {error}") from None


def show(result: Result, out: Path | None) -> None:
    from streams.backtest.report import text

    click.echo(text(result))
    if out is not None:
        result.save(out)
        click.echo(f"tables in {out}")


def _sweep(job: Task, variants: list[dict[str, str]], options: Mapping[str, Any], out: Path | None) -> None:
    from streams.backtest import sweep
    from streams.backtest.report import fold_text

    if options["walk_forward"]:
        assert isinstance(job, sweep.Job)
        with progress("walk forward") as tell:
            folds: list[Fold] = sweep.walk_forward(
                job, variants, options["walk_forward"], processes=options["jobs"], progress=tell
            )
        click.echo(fold_text(folds, len(variants)))
        return
    with progress("sweep") as tell:
        trials: list[Trial] = sweep.run(job, variants, processes=options["jobs"], progress=tell)
    show_trials(trials, len(variants), out)


def show_trials(trials: Sequence[Trial], tried: int, out: Path | None) -> None:
    from streams.backtest import sweep
    from streams.backtest.report import sweep_text

    click.echo(sweep_text(trials, tried))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        sweep.table(trials).write_parquet(out / "sweep.parquet")
        click.echo(f"tables in {out}")
    sys.stdout.flush()
