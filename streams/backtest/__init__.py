"""Backtests: the strategies of `streams.strategies` on recorded data."""
