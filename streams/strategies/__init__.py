"""Strategies: one class, written once, that a backtest, the exchange and a venue drive with the same events."""
