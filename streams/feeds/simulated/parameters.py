"""The simulated market's numbers. docs/market.md says what each does and how it was set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Excitation:
    """How many events one event sets off, and how soon: a Hawkes kernel, the sum of two exponentials."""

    mean: float
    """Events set off by one, on average."""
    fast_s: float
    slow_s: float
    slow_share: float = 0.0


@dataclass(frozen=True)
class Parameters:
    """Prices and distances are in basis points (bps, 1/10,000) of the price, times in seconds."""

    makers: int = 3
    noise_traders: int = 4
    trend_traders: int = 2

    # -- arrivals ------------------------------------------------------------------------------------------------
    immigrant_trades: float = 0.014
    """Trades, and the next three, that nothing set off, per command of the market's rate."""
    immigrant_quotes: float = 0.03
    immigrant_reviews: float = 0.03
    trade_trade: Excitation = Excitation(0.62, 0.04, 3.0, 0.25)
    """A trader goes on: same account, same side."""
    trade_quote: Excitation = Excitation(0.8, 0.02, 1.0, 0.3)
    trade_review: Excitation = Excitation(1.5, 0.005, 0.2, 0.3)
    quote_quote: Excitation = Excitation(0.6, 0.02, 1.0, 0.2)
    quote_review: Excitation = Excitation(0.4, 0.005, 0.2, 0.2)
    withdraw_quote: Excitation = Excitation(0.25, 0.02, 1.0, 0.2)
    review_review: Excitation = Excitation(0.3, 0.005, 0.2, 0.2)
    """A maker that moved a quote is seen by the others."""
    next_quote_s: float = 0.002
    """A maker's own next change of the same burst."""

    # -- fair value ----------------------------------------------------------------------------------------------
    volatility_bps: float = 0.66
    """Of the fair value, per square root of a second."""
    reversion_s: float = 86_400.0
    """Time in which the fair value's distance from the start price falls to 1/e: keeps it in its band for ever."""
    impact_bps: float = 0.12
    """What a trade adds to the fair value, in its direction, at the reference rate of 10 commands/s a symbol."""

    # -- makers --------------------------------------------------------------------------------------------------
    maker_levels: int = 3
    maker_half_spread_bps: float = 4.9
    maker_gap_bps: float = 1.2
    maker_tolerance_bps: float = 0.8
    """How far a quote may be from where it should stand before it is moved."""
    maker_view_bps: float = 0.25
    """Standard deviation of a maker's own opinion about the fair value."""
    maker_skew_bps: float = 2.0
    """How far the quotes are moved against an inventory at its limit."""
    maker_units: float = 1.5
    inventory_units: float = 60.0
    """Limit of a maker's and of a trend trader's position, in units; a maker there quotes one side only."""

    # -- noise and trend -----------------------------------------------------------------------------------------
    unit_notional: float = 20_000.0
    """Money of one unit, from which order sizes are made."""
    inside_share: float = 0.3
    """Share of the noise traders' orders that are placed by the fair value, most of them inside the makers' spread."""
    inside_nearest: float = 0.75
    """How near the fair value they come, in half spreads of the makers."""
    behind_bps: float = 1.5
    """Mean distance behind the best of the others."""
    lifetime_fast_s: float = 0.1
    lifetime_slow_s: float = 25.0
    lifetime_slow_share: float = 0.25
    trend_share: float = 0.25
    """Share of the trades that trend traders start."""
    trend_s: float = 240.0
    """Time constant of the average price that trend traders compare with."""
    value_weight: float = 0.5
    """How much noise traders prefer the side that the fair value favours, per half spread of mispricing."""
    sweep_share: float = 0.06
    """Share of trades that reach through the best price."""
