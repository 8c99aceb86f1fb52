"""`hft strategy new`: a strategy that works, and its test, as files to go on from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

NAME: Final = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")

STRATEGY: Final = '''"""{title}: buys when the price closes above its average, and sells when it closes below."""

from __future__ import annotations

from streams.signals.indicators import Mean
from streams.strategies.events import Bar
from streams.strategies.strategy import Count, Positive, Strategy, Symbol


class {kind}(Strategy):
    class Parameters(Strategy.Parameters):
        symbol: Symbol
        length: Count = 20
        quantity: Positive = 1.0

    class State(Strategy.State):
        mean: Mean | None = None

    def check(self) -> None:
        self.state.mean = Mean(self.parameters.length)

    def on_bar(self, bar: Bar) -> None:
        mean = self.state.mean.update(bar.close)
        if mean is None:
            return
        held = self.desk.position(bar.symbol)
        if bar.close > mean and held == 0:
            self.desk.buy(bar.symbol, self.parameters.quantity)
        elif bar.close < mean and held > 0:
            self.desk.sell(bar.symbol, held)
'''

TEST: Final = '''"""{title} on a price that rises and then falls: it buys once and sells once."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parent))

from {module} import {kind}

from streams.backtest import bars
from streams.backtest.bar_data import series
from streams.backtest.seats import Entrant
from streams.strategies.strategy import parameters

DAY_NS = 86_400 * 10**9


def run(closes: list[float]) -> bars.Result:
    table = pl.DataFrame(
        {{
            "ts_ns": [(k + 1) * DAY_NS for k in range(len(closes))],
            "open": closes,
            "high": [close + 1 for close in closes],
            "low": [close - 1 for close in closes],
            "close": closes,
        }}
    )
    data, unit = series(table, "TEST")
    chosen = parameters({kind}, {{"symbol": "TEST", "length": 3}})
    return bars.run([data], {{"TEST": unit}}, [Entrant({kind}, chosen, "{module}")], bars.Plan())


def test_it_buys_when_the_price_rises_and_sells_when_it_falls() -> None:
    rising = [100.0, 100.0, 100.0, 101.0, 102.0, 103.0]
    falling = [102.0, 99.0, 97.0, 96.0]
    fills = run(rising + falling).fills
    assert fills["side"].to_list() == ["buy", "sell"]
    assert fills["price"].to_list() == [102.0, 99.0], "at the open after the close that decided it"


def test_a_later_bar_changes_no_earlier_order() -> None:
    closes = [100.0, 100.0, 100.0, 101.0, 102.0]
    assert run([*closes, 200.0]).fills.rows() == run([*closes, 50.0]).fills.rows()
'''


class ScaffoldError(ValueError):
    """The files cannot be written; one line that says why."""


def write(name: str, folder: Path) -> tuple[Path, Path]:
    """Writes NAME.py and test_NAME.py; the paths of both. Nothing is overwritten.

    Raises:
        ScaffoldError: the name is not one, or a file is there already.
    """
    if not NAME.fullmatch(name):
        raise ScaffoldError(f"{name}: a name has small letters and digits, and - between words: mean-reversion")
    module = name.replace("-", "_")
    files = folder / f"{module}.py", folder / f"test_{module}.py"
    for file in files:
        if file.exists():
            raise ScaffoldError(f"{file} is there already")
    kind = "".join(word.capitalize() for word in module.split("_"))
    words = {"title": name.replace("-", " ").capitalize(), "kind": kind, "module": module}
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in zip(files, (STRATEGY, TEST), strict=True):
        file.write_text(text.format(**words))
    return files
