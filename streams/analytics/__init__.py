"""Figures about returns, drawdowns, round trips and fills. Pure."""
