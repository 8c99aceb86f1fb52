"""Venues elsewhere: orders that work here are routed there (docs/decisions/0018)."""
