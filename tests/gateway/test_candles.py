"""Candles of any length from bars that divide it."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.history import Candle, joined

ticks = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 500), st.integers(1, 9)), min_size=1, max_size=60)


def candles(trades: list[tuple[int, int, int]], interval_s: int) -> list[Candle]:
    """Of (second, price, quantity), the slow way."""
    made = []
    for start in sorted({second // interval_s * interval_s for second, _, _ in trades}):
        inside = [(price, quantity) for second, price, quantity in trades if start <= second < start + interval_s]
        prices = [price for price, _ in inside]
        volume = sum(quantity for _, quantity in inside)
        made.append(Candle(start, *(f"{price}.00" for price in (prices[0], max(prices), min(prices), prices[-1])),
                           f"{volume}"))  # fmt: skip
    return made


@given(ticks, st.sampled_from([1, 5, 15, 30]))
def test_joined_bars_are_the_candles_of_the_trades(trades: list[tuple[int, int, int]], interval_s: int) -> None:
    trades = sorted(trades, key=lambda trade: trade[0])
    assert joined(candles(trades, 1), interval_s) == candles(trades, interval_s)


def test_prices_are_compared_as_numbers() -> None:
    bars = [Candle(0, "9.5", "9.5", "9.5", "9.5", "1"), Candle(1, "10", "10", "10", "10", "2.5")]
    assert joined(bars, 60) == [Candle(0, "9.5", "10", "9.5", "10", f"{Decimal('3.5')}")]
