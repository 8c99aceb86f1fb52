"""`hft top`: the running system in the terminal, every two seconds, from the metrics of its processes."""

from __future__ import annotations

import time
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from infra import metrics, scrape
from infra.errors import OperatorError
from infra.folders import Folders
from infra.overview import FAR_RECORDS, PARTS, Overview, overview
from infra.scrape import Scrape, duration_text
from infra.settings import Settings
from infra.status import WELL, by_themselves, running, table

EVERY_S: Final = 2.0


def number(value: float | None, unit: str = "") -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}{unit}" if abs(value) >= 100 else f"{value:,.1f}{unit}"


def _grid(*headings: str) -> Table:
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, heading in enumerate(headings):
        grid.add_column(heading, justify="left" if place == 0 else "right", style="cyan" if place == 0 else "")
    return grid


def render(shown: Overview, at: str) -> Group:
    """The whole screen."""
    flow = _grid("per second", "")
    for name, value in (
        ("commands", shown.commands),
        ("new orders", shown.orders),
        ("of them refused", shown.rejected),
        ("fills", shown.fills),
        ("Kafka records read", shown.records),
        ("rows stored", shown.rows),
    ):
        flow.add_row(name, number(value))
    latency = _grid("latency until", *(f"p{part * 100:g}" for part in PARTS))
    for name, quantiles in shown.latencies:
        latency.add_row(name, *map(duration_text, quantiles))
    lag = _grid("behind", "")
    lag.add_row("journal → Kafka", number(None if shown.unpublished is None else shown.unpublished / 1e6, " MB"))
    for consumer, records in sorted(shown.lags.items()):
        lag.add_row(consumer, Text(f"{records:,.0f}", "bold red" if records > FAR_RECORDS else ""))
    accounts = _grid("account", "equity", "unrealized", "exposure")
    for account in shown.accounts:
        color = "red" if account.unrealized < 0 else "green"
        accounts.add_row(
            account.account,
            f"{account.equity:,.2f}",
            Text(f"{account.unrealized:+,.2f}", color),
            f"{account.exposure:,.2f}",
        )
    positions = _grid("position", "", "quantity")
    for position in shown.positions:
        positions.add_row(position.account, position.symbol, f"{position.quantity:+,g}")
    wall = Table.grid(padding=(0, 4))
    wall.add_row(flow, latency, lag)
    books = Table.grid(padding=(0, 4))
    books.add_row(accounts, positions)
    said = Text("\n".join(shown.alerts), "bold red") if shown.alerts else Text("nothing to worry about", "green")
    return Group(Panel(wall, title=f"hft {at}"), Panel(books, title="books"), Panel(said, title="alerts"))


def take(settings: Settings, folders: Folders, now_s: float) -> tuple[Scrape, list[str]]:
    """What the processes of the running system tell, and which of them do not work. Raises `OperatorError` where none
    runs."""
    seen = scrape.read(metrics.addresses(folders.metrics), now_s)
    state = running(folders) or by_themselves(settings, seen)
    if state is None:
        raise OperatorError(f"nothing runs in {folders.var}: hft up starts it")
    rows, _ = table(settings, state, now_s=now_s)
    wrong = [
        f"{name} is {condition}" + (f": {remark}" if remark else "")
        for name, _, condition, _, _, remark in rows
        if condition not in WELL
    ]
    return seen, wrong


def top(
    settings: Settings, folders: Folders, console: Console, *, times: int | None = None, every_s: float = EVERY_S
) -> None:
    """Shows it until interrupted, or so many `times`; on a terminal in place, otherwise one screen after the other.

    Raises `OperatorError` where nothing runs, or no longer does."""
    before: Scrape | None = None
    shown = 0
    with Live(console=console, auto_refresh=False, screen=console.is_terminal and times is None) as live:
        while times is None or shown < times:
            now, wrong = take(settings, folders, time.time())
            seen = overview(now, before)
            screen = render(seen._replace(alerts=[*wrong, *seen.alerts]), time.strftime("%H:%M:%S"))
            if console.is_terminal:
                live.update(screen, refresh=True)
            else:
                console.print(screen)
            before, shown = now, shown + 1
            if times is None or shown < times:
                time.sleep(every_s)
