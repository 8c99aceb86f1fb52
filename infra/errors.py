"""What may go wrong for the person who runs the system: said in one line, without a traceback."""

from __future__ import annotations


class OperatorError(Exception):
    """An expected failure. Its text is one line that names the cause and, where there is one, the setting to change."""
