"""Signals: the same numbers as Polars expressions for research and incrementally for live use."""
