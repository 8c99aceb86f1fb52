"""Tear sheets: a result as one HTML page, and as JSON."""
