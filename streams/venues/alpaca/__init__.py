"""Alpaca as a venue: paper trading, and live. docs/alpaca.md describes it."""

from streams.venues.alpaca.driver import run

__all__ = ["run"]
