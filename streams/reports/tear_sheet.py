"""A result as one page: no script, no request to anywhere, readable without a network. And the same as JSON. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from streams.analytics import wording
from streams.analytics.attribution import Share
from streams.analytics.curve import sampled
from streams.analytics.drawdown import Drawdown, drawdowns
from streams.analytics.figures import Figures, curve_of, together
from streams.backtest.result import Result
from streams.reports import charts
from streams.reports.months import Month, months
from streams.reports.plot import thinned
from streams.reports.style import CSS

WORST: Final = 5
"""Drawdowns in the table."""
LAST: Final = 25
"""Round trips in the table."""
MONTH_NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
FULL: Final = 0.10
"""A month's return of this and more has the strongest colour."""
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""What the page may load: nothing."""


def document(result: Result, title: str) -> bytes:
    """JSON: `title`, `figures` (`streams.analytics.figures.Figures`), `months`, `drawdowns` (the deepest), `equity` (at
    most 1,200 of [ts_ns, growth of 1]), and what `result.json` has."""
    of = curve_of(result.equity, result.starting_cash)
    times, growth = thinned(of.ts_ns, of.growth)
    found = {
        "title": title,
        "figures": result.figures,
        "months": [one._asdict() for one in months(of)],
        "drawdowns": [one._asdict() for one in _worst(drawdowns(of.ts_ns, of.growth))],
        "equity": list(zip(times.tolist(), growth.tolist(), strict=True)),
        "assumptions": result.assumptions,
        "parameters": result.parameters,
        "strategies": result.strategies,
        "trials": result.trials,
        "held_back": result.held_back,
        "events": result.events,
    }
    return msgspec.json.format(msgspec.json.encode(found, enc_hook=str), indent=1) + b"\n"


def page(result: Result, title: str) -> str:
    """HTML."""
    figures = result.figures
    of = curve_of(result.equity, result.starting_cash)
    falls = drawdowns(of.ts_ns, of.growth)
    worst = _worst(falls)
    end_ns = figures.end_ns or 0
    deepest = None if not worst else (worst[0].peak_ns, worst[0].recovered_ns or end_ns)
    step = wording.period(figures.step_s)
    rates = sampled(of).returns
    cards = [
        _chart("Growth", "time-weighted, after fees", charts.growth(of, deepest) + charts.fall(of), "wide"),
        _months(months(of)) if figures.end_ns and of.ts_ns[-1] - of.ts_ns[0] > 59 * wording.DAY_NS else "",
        *_figure_cards(figures),
        _chart("Returns", _which(rates, step), charts.distribution(rates, figures.value_at_risk)),
        _chart("Round trips", "profit at their end", charts.trips(result.trades)),
        _chart("Exposure", "gross and net, of equity", charts.held(together(result.equity))),
        _chart("Markout", "basis points in favour of the fills, after", charts.markouts(figures.markouts)),
        *_share_cards(figures),
        _falls(worst, end_ns),
        _words("Assumptions", result.assumptions),
        _words("Parameters", _parameters(result.parameters)),
        _trips(result.trades),
    ]
    span = f"{wording.moment(figures.start_ns)} – {wording.moment(figures.end_ns)} UTC"
    notes = _notes(result)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS}</style></head><body><main>"
        f"<header><h1>{escape(title)}</h1><p>{span}</p></header>"
        f'{_tiles(figures)}<div class="cards">{"".join(cards)}</div><footer>{notes}</footer></main></body></html>\n'
    )


def _which(returns: NDArray[np.float64], step: str) -> str:
    flat = int((returns == 0).sum())
    return f"of {step}; {flat:,} of exactly 0 are left out" if flat else f"of {step}"


def _worst(falls: Sequence[Drawdown]) -> list[Drawdown]:
    return sorted(falls, key=lambda one: -one.depth)[:WORST]


def _notes(result: Result) -> str:
    figures = result.figures
    notes = [
        f"Ratios are of {figures.returns:,} returns of {wording.period(figures.step_s)}, scaled with "
        f"{figures.periods_per_year:,.0f} periods a year and a risk-free rate of 0. Drawdowns are at full resolution.",
    ]
    if result.trials > 1:
        notes.append(f"Chosen among {result.trials:,} trials: the more there were, the less its Sharpe ratio means.")
    if result.held_back:
        notes.append(f"{result.held_back:,} orders of the warm-up were held back.")
    return " ".join(notes)


def _tone(value: float | None) -> str:
    return "none" if value is None or value == 0 else "gain" if value > 0 else "loss"


def _tiles(figures: Figures) -> str:
    tiles = [
        ("Return", wording.signed_percent(figures.total_return), _tone(figures.total_return)),
        ("A year", wording.signed_percent(figures.cagr), _tone(figures.cagr)),
        ("Net profit", wording.signed(figures.net_profit), _tone(figures.net_profit)),
        ("Sharpe", wording.number(figures.sharpe), ""),
        ("Sortino", wording.number(figures.sortino), ""),
        ("Max drawdown", wording.percent(figures.max_drawdown), ""),
        ("Hit rate", wording.percent(figures.hit_rate, 1), ""),
        ("Profit factor", wording.number(figures.profit_factor), ""),
    ]
    shown = "".join(
        f'<div class="tile"><span>{name}</span><b class="{kind}">{escape(text)}</b></div>' for name, text, kind in tiles
    )
    return f'<div class="tiles">{shown}</div>'


def _figure_cards(figures: Figures) -> list[str]:
    risk = [
        ("Volatility, a year", wording.percent(figures.volatility)),
        ("Sharpe, true one above 0", wording.percent(figures.sharpe_probability, 1)),
        ("Calmar", wording.number(figures.calmar)),
        ("Largest drawdown lasted", wording.duration(figures.max_drawdown_s)),
        ("Longest drawdown", wording.duration(figures.longest_drawdown_s)),
        ("Value at risk, 5 %", wording.percent(figures.value_at_risk, 3)),
        ("Mean beyond it", wording.percent(figures.conditional_value_at_risk, 3)),
        ("Best, worst return", f"{wording.percent(figures.best)}, {wording.percent(figures.worst)}"),
        ("Skewness, kurtosis", f"{wording.number(figures.skewness)}, {wording.number(figures.kurtosis)}"),
    ]
    trips = [
        ("Closed, open", f"{figures.round_trips:,}, {figures.open_round_trips:,}"),
        ("Mean, after fees", wording.signed(figures.expectancy)),
        ("Mean win", wording.signed(figures.average_win)),
        ("Mean loss", wording.signed(figures.average_loss)),
        ("Held for", wording.duration(figures.average_holding_s)),
        ("Equity at first", wording.number(figures.starting_equity)),
        ("Equity at last", wording.number(figures.final_equity)),
        ("Paid in less paid out", wording.number(figures.deposits)),
        ("In the market", wording.percent(figures.time_in_market, 1)),
    ]
    costs = [
        ("Fills", f"{figures.fills:,}"),
        ("Notional", wording.number(figures.traded)),
        (
            "Turnover, a year",
            wording.NOTHING if figures.turnover is None else f"{wording.number(figures.turnover, 1)} × equity",
        ),
        ("Fees", wording.number(figures.fees)),
        ("Slippage", wording.basis_points(figures.slippage_bps)),
        ("Slippage, money", wording.signed(figures.slippage)),
        ("Rested in the book", wording.percent(figures.maker_share, 1)),
        ("Exposure, mean", wording.percent(figures.mean_exposure, 1)),
        ("Exposure, largest", wording.percent(figures.max_exposure, 1)),
    ]
    return [_figures("Risk", risk), _figures("Round trips and money", trips), _figures("Trading", costs)]


def _figures(title: str, rows: Sequence[tuple[str, str]]) -> str:
    body = "".join(f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in rows)
    return f'<section class="card third"><h2>{title}</h2><table class="figures">{body}</table></section>'


def _chart(title: str, hint: str, svg: str, kind: str = "") -> str:
    if not svg:
        return ""
    return f'<section class="card {kind}"><h2>{title}<small>{escape(hint)}</small></h2>{svg}</section>'


def _table(head: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]]) -> str:
    """Cells are (text, class)."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f'<td class="{kind}">{escape(text)}</td>' for text, kind in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"


def _share_cards(figures: Figures) -> list[str]:
    """Of one strategy in one symbol they would say again what the rest says."""
    if max(len(figures.by_symbol), len(figures.by_strategy)) < 2:
        return []
    return [_shares("By symbol", figures.by_symbol), _shares("By strategy", figures.by_strategy)]


def _shares(title: str, found: Sequence[Share]) -> str:
    if not found:
        return ""
    rows = [
        [
            (one.name or "none", ""),
            (wording.signed(one.net_pnl), _tone(one.net_pnl)),
            (wording.number(one.fees), ""),
            (f"{one.fills:,}", ""),
            (wording.percent(one.hit_rate, 1), ""),
            (wording.number(one.profit_factor), ""),
            (wording.basis_points(one.slippage_bps), ""),
        ]
        for one in found
    ]
    table = _table(("", "Net profit", "Fees", "Fills", "Won", "Profit factor", "Slippage"), rows)
    return f'<section class="card"><h2>{title}</h2>{charts.shares(found)}{table}</section>'


def _falls(worst: Sequence[Drawdown], end_ns: int) -> str:
    if not worst:
        return ""
    rows = [
        [
            (wording.percent(one.depth), "loss"),
            (wording.moment(one.peak_ns), ""),
            (wording.moment(one.trough_ns), ""),
            ("not yet" if one.recovered_ns is None else wording.moment(one.recovered_ns), ""),
            (wording.duration(one.length_ns(end_ns) / wording.SECOND_NS), ""),
        ]
        for one in worst
    ]
    table = _table(("Depth", "From", "Lowest", "Recovered", "Length"), rows)
    return f'<section class="card"><h2>Deepest drawdowns</h2>{table}</section>'


def _trips(trades: pl.DataFrame) -> str:
    if trades.is_empty():
        return ""
    rows = [
        [
            (row["symbol"], ""),
            (f"{row['side']}, open" if row["is_open"] else row["side"], ""),
            (f"{row['quantity']:,g}", ""),
            (wording.moment(row["entry_ns"]), ""),
            (f"{row['entry_price']:,.6g}", ""),
            (wording.moment(row["exit_ns"]), ""),
            (f"{row['exit_price']:,.6g}", ""),
            (wording.signed(row["pnl"]), _tone(row["pnl"])),
        ]
        for row in trades.sort("exit_ns", descending=True, maintain_order=True).head(LAST).iter_rows(named=True)
    ]
    table = _table(("Symbol", "Side", "Quantity", "Entry", "Price", "Exit", "Price", "Profit"), rows)
    hint = f"the last {LAST} of {len(trades):,}" if len(trades) > LAST else f"all {len(trades):,}"
    return f'<section class="card wide"><h2>Round trips<small>{hint}</small></h2>{table}</section>'


def _months(found: Sequence[Month]) -> str:
    if not found:
        return ""
    rows = []
    by_year: dict[int, dict[int, float]] = {}
    for one in found:
        by_year.setdefault(one.year, {})[one.month] = one.change
    for year, changes in sorted(by_year.items(), reverse=True):
        whole = 1.0
        for change in changes.values():
            whole *= 1 + change
        cells = "".join(_month(changes.get(month)) for month in range(1, 13))
        rows.append(f"<tr><td>{year}</td>{cells}{_month(whole - 1, strong=True)}</tr>")
    head = "".join(f"<th>{name}</th>" for name in ("", *MONTH_NAMES, "Year"))
    table = f'<table class="months"><tr>{head}</tr>{"".join(rows)}</table>'
    return f'<section class="card wide"><h2>Months<small>%</small></h2>{table}</section>'


def _month(change: float | None, *, strong: bool = False) -> str:
    if change is None:
        return "<td></td>"
    share = min(abs(change) / FULL, 1.0)
    colour = "var(--gain)" if change > 0 else "var(--loss)"
    ground = f"background: color-mix(in srgb, {colour} {8 + 42 * share:.0f}%, transparent)" if change else ""
    text = wording.number(100 * change, 1)
    return f'<td style="{ground}">{f"<b>{text}</b>" if strong else text}</td>'


def _words(title: str, found: dict[str, Any]) -> str:
    if not found:
        return ""
    body = "".join(
        f'<tr><td>{escape(name)}</td><td class="words">{escape(str(text))}</td></tr>' for name, text in found.items()
    )
    return f'<section class="card"><h2>{title}</h2><table>{body}</table></section>'


def _parameters(found: dict[str, Any]) -> dict[str, Any]:
    """Of one strategy as they are, of several by strategy."""
    flat: dict[str, Any] = {}
    for name, value in found.items():
        if isinstance(value, dict):
            prefix = f"{name}: " if len(found) > 1 else ""
            flat |= {f"{prefix}{key}": one for key, one in value.items()}
        else:
            flat[name] = value
    return flat
