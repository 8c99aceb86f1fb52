"""The instruments file: TOML, one table an instrument, named by its symbol."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.messages import DefineInstrument
from engine.reading import refusal_of


class Listing(NamedTuple):
    """An instrument of the file."""

    definition: DefineInstrument
    start_price: Decimal | None
    """Where the simulated market opens, None for one that it leaves out."""
    halted: bool = False
    """Whether trading in it is halted when the engine starts."""


class InstrumentsError(ValueError):
    """The file cannot be used; the text names the file, the instrument and the field."""


def load(path: Path) -> list[Listing]:
    """All instruments of the file, in its order. Raises `InstrumentsError`."""
    try:
        tables = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InstrumentsError(f"instruments file {path}: {error}") from None
    listings = []
    for symbol, table in tables.items():
        try:
            start = table.pop("start_price", None)
            halted = table.pop("halted", False)
            if not isinstance(halted, bool):
                raise TypeError(f"halted: expected true or false, not {halted!r}")
            definition = msgspec.convert({"type": "instrument", "symbol": symbol, **table}, DefineInstrument)
            listings.append(Listing(definition, None if start is None else Decimal(start), halted))
        except (msgspec.ValidationError, ArithmeticError, TypeError, AttributeError) as error:
            detail = str(refusal_of(error)) if isinstance(error, msgspec.ValidationError) else str(error)
            raise InstrumentsError(f"instruments file {path}, [{symbol}]: {detail}") from None
    return listings
