"""Tear sheets: whole, true to the figures, and without a request to anywhere."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from infra.commands import hft
from streams.analytics import wording
from streams.analytics.curve import Curve
from streams.backtest.result import EQUITY, FILLS, MARKS, ORDERS, TRADES, Result, frame
from streams.reports.axes import moments, numbers
from streams.reports.months import months
from streams.reports.plot import thinned
from streams.reports.tear_sheet import document, page
from streams.strategies.moving_average_cross import MovingAverageCross
from tests.streams.backtest.bar_tables import random_walk, run_series

DAY_NS = 86_400 * 10**9
VOID = {"meta", "br"}


@pytest.fixture(scope="module")
def result() -> Result:
    one, unit = random_walk(3, 600)
    return run_series(MovingAverageCross, [(one, unit)], symbol="TEST", fast=5, slow=20, allow_short=True)


class Reading(HTMLParser):
    """Checks that every element is closed, and keeps texts, elements and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: dict[str, set[str]] = {}
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(text: str) -> Reading:
    reading = Reading()
    reading.feed(text)
    reading.close()
    assert reading.open == []
    for svg in re.findall(r"<svg.*?</svg>", text):
        ElementTree.fromstring(svg)
        assert "nan" not in svg
        assert "inf" not in svg
    return reading


def test_a_page_shows_the_figures_and_loads_nothing(result: Result) -> None:
    text = page(result, "A <b>title</b> & more")
    reading = read(text)
    shown = " ".join(reading.texts)
    figures = result.figures
    parts = (wording.percent(figures.max_drawdown), wording.percent(figures.hit_rate, 1))
    for value in (wording.number(figures.sharpe), *parts):
        assert value in shown
    assert "A <b>title</b> & more" in shown
    assert not reading.seen & {"script", "link", "img", "iframe", "object", "embed", "b title"}
    assert not reading.attributes.keys() & {"src", "href", "srcset", "data", "action", "onload"}
    assert reading.attributes["content"] >= {"default-src 'none'; style-src 'unsafe-inline'"}
    assert "url(" not in text
    assert "@import" not in text
    assert text.count("<svg") >= 6


def test_of_nothing_a_page_says_so() -> None:
    nothing = Result(frame([], EQUITY), frame([], ORDERS), frame([], FILLS), frame([], TRADES), frame([], MARKS), 100.0)
    assert wording.NOTHING in " ".join(read(page(nothing, "empty")).texts)
    assert json.loads(document(nothing, "empty"))["equity"] == []


def test_the_command_writes_page_and_data(result: Result, tmp_path: Path) -> None:
    result.save(tmp_path / "mine")
    answer = CliRunner().invoke(hft, ["report", str(tmp_path / "mine")], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    assert "<title>mine</title>" in (tmp_path / "mine" / "report.html").read_text()
    data = json.loads((tmp_path / "mine" / "report.json").read_text())
    assert data["figures"]["sharpe"] == result.figures.sharpe
    assert data["equity"][-1][1] == pytest.approx(1 + data["figures"]["total_return"])
    assert data["drawdowns"][0]["depth"] == data["figures"]["max_drawdown"]
    growth = np.prod([1 + one["change"] for one in data["months"]])
    assert growth == pytest.approx(data["equity"][-1][1])
    (tmp_path / "other").mkdir()
    refused = CliRunner().invoke(hft, ["report", str(tmp_path / "other")])
    assert "no result of hft backtest --out" in str(refused.exception) + refused.output
    assert CliRunner().invoke(hft, ["report"]).exit_code == 2


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 9))
def test_marks_of_an_axis_are_few_and_inside(low: float, span: float, most: int) -> None:
    high = low + span
    ticks = numbers(low, high, most, str)
    assert len(ticks) <= most + 1
    slack = 1e-6 * max(span, 1e-9) + 1e-9 * abs(low)
    assert all(low - slack <= tick.value <= high + slack for tick in ticks)


@given(st.integers(0, 2**61), st.integers(1, 2**60), st.integers(3, 9))
def test_marks_of_time_are_few_and_inside(start: int, span: int, most: int) -> None:
    ticks = moments(start, start + span, most)
    assert len(ticks) <= most + 2
    assert all(start <= tick.value <= start + span for tick in ticks)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400))
def test_thinning_loses_no_extreme(values: list[float]) -> None:
    x, y = np.arange(len(values), dtype=np.int64), np.array(values)
    few_x, few_y = thinned(x, y, 40)
    assert (few_y.min(), few_y.max(), few_y[0], few_y[-1]) == (y.min(), y.max(), y[0], y[-1])
    assert len(few_x) <= 44
    assert (np.diff(few_x) > 0).all()


def test_months_multiply_to_the_whole() -> None:
    times = np.arange(0, 900, 7, dtype=np.int64) * DAY_NS
    growth = 1 + 0.2 * np.sin(np.arange(len(times)))
    found = months(Curve(times, growth))
    assert (found[0].year, found[0].month, found[-1].year) == (1970, 1, 1972)
    assert np.prod([1 + one.change for one in found]) == pytest.approx(growth[-1] / growth[0])
    assert months(Curve(times[:0], growth[:0])) == []
    assert pl.DataFrame(found).height == 30
