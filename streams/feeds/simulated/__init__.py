"""A simulated market with makers, noise traders and trend traders. docs/market.md describes it."""

from streams.feeds.simulated.driver import run

__all__ = ["run"]
