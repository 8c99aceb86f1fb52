"""Alpaca's market data as a market: its quotes rest on our books, its trades are on our tape. docs/alpaca.md describes
it."""

from streams.feeds.alpaca.driver import run

__all__ = ["run"]
