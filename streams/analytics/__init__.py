"""Figures about returns."""
