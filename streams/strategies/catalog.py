"""Where strategies are found: the shipped ones by name, your own as FILE.py or FILE.py:Class."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

from streams.strategies.strategy import Strategy

SHIPPED: Final = {
    "breakout": "streams.strategies.breakout",
    "execution": "streams.strategies.execution",
    "imbalance": "streams.strategies.imbalance",
    "market-making": "streams.strategies.market_making",
    "moving-average-cross": "streams.strategies.moving_average_cross",
    "pairs": "streams.strategies.pairs",
}
"""Name and module; the module's one strategy is meant."""


class NotFound(ValueError):
    """No strategy has this name; the text says which there are."""


def find(name: str) -> type[Strategy]:
    """The class of a shipped name, or of a file of your own.

    Raises:
        NotFound: there is none; one line that says what is there.
    """
    if name in SHIPPED:
        return _only(import_module(SHIPPED[name]), name, None)
    path, _, wanted = name.partition(":")
    if not path.endswith(".py"):
        raise NotFound(f"{name}: no such strategy; there are {', '.join(SHIPPED)}, or name a file of yours: mine.py")
    file = Path(path)
    if not file.is_file():
        raise NotFound(f"{path}: no such file")
    module_name = f"hft_strategy_{file.stem}"
    specification = importlib.util.spec_from_file_location(module_name, file)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[module_name] = module
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        raise NotFound(f"{path}: cannot be imported: {type(error).__name__}: {error}") from error
    return _only(module, path, wanted or None)


def module_text(name: str) -> str:
    """What the module of a shipped strategy says of it."""
    return import_module(SHIPPED[name]).__doc__ or ""


def _only(module: ModuleType, name: str, wanted: str | None) -> type[Strategy]:
    found = {
        kind.__name__: kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Strategy) and kind.__module__ == module.__name__
    }
    if wanted is not None:
        if wanted not in found:
            raise NotFound(f"{name}: has no strategy {wanted}; it has {', '.join(found) or 'none'}")
        return found[wanted]
    if len(found) != 1:
        raise NotFound(f"{name}: has {len(found)} strategies ({', '.join(found)}): name one, as in {name}:Class")
    return next(iter(found.values()))
