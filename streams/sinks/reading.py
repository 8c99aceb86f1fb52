"""Records of one topic decoded many at once: msgspec matches each decimal text with its pattern by itself, which costs
more than all the rest, so those of a batch are matched together. What is refused, and in which words, is as if each
were decoded by its class."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Final

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo

from engine.messages import DECIMAL, DecimalText

_UNMATCHED: Final[dict[Any, Any]] = {DecimalText: str, DecimalText | None: str | None}
"""The type of a decimal field, and what it is decoded as."""
# Each text is matched whole or not at all: without that the pattern would keep a way back for every character.
_DECIMALS: Final = re.compile(rf"(?:(?>{DECIMAL}),)*+")


class Reading:
    def __init__(self, record: type[Struct]) -> None:
        fields = msgspec.structs.fields(record)
        names = [field.name for field in fields if field.type in _UNMATCHED]
        self._texts: Any = attrgetter(*names) if len(names) > 1 else lambda one: [getattr(one, name) for name in names]
        self._matched = msgspec.json.Decoder(record)
        unmatched = msgspec.defstruct(record.__name__, [_unmatched(field) for field in fields], kw_only=True, gc=False)
        self._unmatched: msgspec.json.Decoder[Any] = msgspec.json.Decoder(unmatched)

    def read(self, values: Sequence[bytes]) -> tuple[list[Any], dict[int, str]]:
        """The records, with the fields of their class, and why some are none, by their place in the list: there it
        holds None."""
        decode = self._unmatched.decode
        try:
            records = [decode(value) for value in values]
            if are_decimals(chain.from_iterable(map(self._texts, records))):
                return records, {}
        except ValueError:  # which msgspec's errors are, and what is no UTF-8
            pass
        return self._read_apart(values)

    def _read_apart(self, values: Sequence[bytes]) -> tuple[list[Any], dict[int, str]]:
        records: list[Any] = []
        refused = {}
        for number, value in enumerate(values):
            try:
                records.append(self._matched.decode(value))
            except ValueError as error:
                refused[number] = str(error)
                records.append(None)
        return records, refused


def _unmatched(field: FieldInfo) -> tuple[str, Any, Any]:
    default = field.default
    if field.default_factory is not NODEFAULT:
        default = msgspec.field(default_factory=field.default_factory)
    return field.name, _UNMATCHED.get(field.type, field.type), default


def are_decimals(texts: Iterable[str | None]) -> bool:
    """Whether each text there is matches `DECIMAL_PATTERN`."""
    found = [text for text in texts if text is not None]
    joined = ",".join([*found, ""])
    return joined.count(",") == len(found) and _DECIMALS.fullmatch(joined) is not None
