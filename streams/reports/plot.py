"""Charts as SVG text: lines, areas and bars over two axes. Colours are classes of the sheet's style. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.reports.axes import Tick, moments, numbers

Floats = NDArray[np.float64]

LEFT: Final = 58
RIGHT: Final = 12
TOP: Final = 10
BOTTOM: Final = 22
MOST_POINTS: Final = 1200
"""Of a line: more cannot be told apart on a screen."""


def thinned(x: NDArray[np.int64], y: Floats, most: int = MOST_POINTS) -> tuple[NDArray[np.int64], Floats]:
    """The first, lowest, highest and last point of each of `most` / 4 equal parts, so that no extreme is lost."""
    if len(x) <= most:
        return x, y
    edges = np.linspace(0, len(x), most // 4 + 1).astype(int)
    rows = set()
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = y[start:end]
        rows |= {start, start + int(part.argmin()), start + int(part.argmax()), end - 1}
    chosen = sorted(rows)
    return x[chosen], y[chosen]


def padded(low: float, high: float) -> tuple[float, float]:
    """A little room above and below; some, where both are the same."""
    room = (high - low) * 0.06 or abs(high) * 0.05 or 1.0
    return low - room, high + room


class Plot:
    """One chart. Coordinates are those of the data until they are drawn."""

    def __init__(self, width: int, height: int, x: tuple[float, float], y: tuple[float, float]) -> None:
        self._size = (width, height)
        self._x, self._y = x, y
        self._parts: list[str] = []

    def _at_x(self, value: float) -> float:
        low, high = self._x
        return LEFT + (value - low) / ((high - low) or 1) * (self._size[0] - LEFT - RIGHT)

    def _at_y(self, value: float) -> float:
        low, high = self._y
        return TOP + (high - value) / ((high - low) or 1) * (self._size[1] - TOP - BOTTOM)

    def grid(self, text: Callable[[float], str], most: int = 5) -> None:
        """Lines across, with their values at the left."""
        for tick in numbers(*self._y, most, text):
            at = self._at_y(tick.value)
            self._rule("zero" if tick.value == 0 else "grid", (LEFT, at), (self._size[0] - RIGHT, at))
            self._text("tick", LEFT - 7, at + 3.5, tick.text, "end")

    def along(self, ticks: Sequence[Tick]) -> None:
        """Values below."""
        for tick in ticks:
            at = self._at_x(tick.value)
            self._rule("grid", (at, TOP), (at, self._size[1] - BOTTOM))
            self._text("tick", at, self._size[1] - 6, tick.text, "middle")

    def times(self, most: int) -> None:
        self.along(moments(int(self._x[0]), int(self._x[1]), most))

    def line(self, x: NDArray[np.int64], y: Floats, kind: str) -> None:
        points = self._points(*thinned(x, y))
        self._parts.append(f'<polyline class="line {kind}" points="{points}"/>')

    def area(self, x: NDArray[np.int64], y: Floats, base: float, kind: str) -> None:
        x, y = thinned(x, y)
        if not len(x):
            return
        foot = self._at_y(base)
        ends = self._at_x(float(x[0])), self._at_x(float(x[-1]))
        points = f"{ends[0]:.1f},{foot:.1f} {self._points(x, y)} {ends[1]:.1f},{foot:.1f}"
        self._parts.append(f'<polygon class="area {kind}" points="{points}"/>')

    def bar(self, start: float, end: float, base: float, value: float, kind: str, told: str) -> None:
        """An upright bar between two values of x; `told` shows under the pointer."""
        left, right = self._at_x(start), self._at_x(end)
        top, bottom = sorted((self._at_y(base), self._at_y(value)))
        width, height = max(right - left - 1, 0.8), max(bottom - top, 0.6)
        self._parts.append(
            f'<rect class="bar {kind}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}">'
            f"<title>{escape(told)}</title></rect>"
        )

    def dot(self, x: float, y: float, kind: str, told: str, radius: float = 3.2) -> None:
        self._parts.append(
            f'<circle class="dot {kind}" cx="{self._at_x(x):.1f}" cy="{self._at_y(y):.1f}" r="{radius:g}">'
            f"<title>{escape(told)}</title></circle>"
        )

    def upright(self, x: float, kind: str, text: str) -> None:
        """A line from top to bottom, and its name."""
        at = self._at_x(x)
        self._rule(kind, (at, TOP), (at, self._size[1] - BOTTOM))
        self._text("note", at + 4, TOP + 9, text, "start")

    def band(self, start: float, end: float, kind: str, told: str) -> None:
        left, right = self._at_x(start), self._at_x(end)
        self._parts.append(
            f'<rect class="{kind}" x="{left:.1f}" y="{TOP}" width="{max(right - left, 1):.1f}" '
            f'height="{self._size[1] - TOP - BOTTOM}"><title>{escape(told)}</title></rect>'
        )

    def svg(self, label: str) -> str:
        width, height = self._size
        return (
            f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">{"".join(self._parts)}</svg>'
        )

    def _rule(self, kind: str, start: tuple[float, float], end: tuple[float, float]) -> None:
        (x1, y1), (x2, y2) = start, end
        self._parts.append(f'<line class="{kind}" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>')

    def _text(self, kind: str, x: float, y: float, text: str, anchor: str) -> None:
        place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
        self._parts.append(f'<text class="{kind}" {place}>{escape(text)}</text>')

    def _points(self, x: NDArray[np.int64], y: Floats) -> str:
        return " ".join(
            f"{self._at_x(one):.1f},{self._at_y(other):.1f}"
            for one, other in zip(x.astype(float).tolist(), y.tolist(), strict=True)
        )
