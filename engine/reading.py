"""From bytes to messages: reading JSON strictly, and saying in words what was wrong with it.

Stricter than the JSON decoder: a key may stand once, and a decimal is written plainly, so that two readers of the same
bytes cannot understand two different orders."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final, TypeVar, get_args, get_type_hints

import msgspec

from engine import messages
from engine.messages import AdministrativeCommand, OrderCommand
from engine.refusal import Refusal
from engine.words import Reason

MISSING: Final = re.compile(r"missing required field `(?P<field>[^`]+)`")
UNKNOWN: Final = re.compile(r"contains unknown field `(?P<field>[^`]+)`")
PLACED: Final = re.compile(r" - at `\$\.?(?P<field>[^`]*)`$")
LEG: Final = re.compile(r"^orders\[(?:\d+|\.\.\.)\]\.")
PLAIN: Final = re.compile(rb'"-?[0-9]+(?:\.[0-9]+)?"|-?[0-9][0-9.eE+-]*|null')
"""A decimal as text without exponent, sign `+`, underscores or blanks, or a JSON number."""
PLAIN_RULE: Final = 'must be a decimal number like 10, -0.25 or "190.00"'

_order_decoder: Final[msgspec.json.Decoder[OrderCommand]] = msgspec.json.Decoder(OrderCommand)
_administrative_decoder: Final[msgspec.json.Decoder[AdministrativeCommand]] = msgspec.json.Decoder(
    AdministrativeCommand
)
_raw_decoder: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_legs_decoder: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])

Decoded = TypeVar("Decoded")


def _decimal_fields(kinds: Iterable[Any]) -> frozenset[str]:
    return frozenset(
        name
        for kind in kinds
        for name, hint in get_type_hints(kind).items()
        if hint is Decimal or Decimal in get_args(hint)
    )


DECIMALS: Final = _decimal_fields((*get_args(OrderCommand), messages.ListedOrder, *get_args(AdministrativeCommand)))
"""Names of all fields that hold a decimal."""

RULES: Final = {
    messages.NAME_PATTERN: "must be of letters, digits and . _ : / -",
    messages.CLIENT_ORDER_ID_PATTERN: "must be of printable ASCII characters without spaces",
    messages.DECIMAL_PATTERN: PLAIN_RULE,
    messages.ORDER_ID_PATTERN: "must be of digits",
}
"""What the patterns of the messages ask for, for people."""
TYPES: Final = {
    "Expected `decimal`": PLAIN_RULE,
    "Invalid decimal string": PLAIN_RULE,
    "Expected `str | null`": "must be a text",
    "Expected `str`, got": "must be a text",
    "Expected `int": "must be a whole number",
    "Expected `bool`": "must be true or false",
    "Expected `array`": "must be a list",
    "Expected `object`": "must be an object",
}
LENGTH: Final = re.compile(r"Expected `str(?: \| null)?` of length (?P<relation><=|>=) (?P<length>\d+)")


def read_json(data: bytes, decoder: msgspec.json.Decoder[Decoded]) -> Decoded:
    """What the bytes hold, for every door. Raises `Refusal`, whatever the bytes are."""
    try:
        return decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise refusal_of(error) from None
    except UnicodeDecodeError:
        raise Refusal(Reason.MALFORMED, "", "not valid JSON: a text is not UTF-8") from None
    except RecursionError:
        raise Refusal(Reason.MALFORMED, "", "not valid JSON: nested too deeply") from None


def parse(data: bytes) -> OrderCommand:
    """The command that the JSON bytes hold. Raises `Refusal`."""
    command = read_json(data, _order_decoder)
    check_written(data)
    return command


def parse_administrative(data: bytes) -> AdministrativeCommand:
    """The administrative command that the JSON bytes hold. Raises `Refusal`."""
    command = read_json(data, _administrative_decoder)
    check_written(data)
    return command


def check_written(data: bytes) -> None:
    """Raises `Refusal` where a key of the JSON object stands twice, or a decimal is not written plainly."""
    fields = read_json(data, _raw_decoder)
    if data.count(b":") != len(fields):  # a colon in a text, or an object inside, sends a few good ones here too
        _check_keys(data)
    for name, value in fields.items():
        if name in DECIMALS and PLAIN.fullmatch(value) is None:
            raise Refusal(Reason.INVALID_FIELD, name, f"{name} {PLAIN_RULE}")
    if "orders" in fields:
        for leg in _legs_decoder.decode(fields["orders"]):
            for name, value in leg.items():
                if name in DECIMALS and PLAIN.fullmatch(value) is None:
                    raise Refusal(Reason.INVALID_FIELD, name, f"{name} {PLAIN_RULE}")


def _check_keys(data: bytes) -> None:
    def read(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise Refusal(Reason.MALFORMED, name[:64], f"the key {name[:64]} stands twice")
            seen.add(name)

    json.loads(data, object_pairs_hook=read)


def refusal_of(error: msgspec.MsgspecError) -> Refusal:
    """What a decoding error means in our words."""
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return Refusal(Reason.MALFORMED, "", f"not valid JSON: {text}")
    missing = MISSING.search(text)
    if missing:
        return Refusal(Reason.MISSING_FIELD, missing["field"], f"{missing['field']} is required")
    unknown = UNKNOWN.search(text)
    if unknown:
        return Refusal(Reason.INVALID_FIELD, unknown["field"], f"{unknown['field']} is not a field of this message")
    placed = PLACED.search(text)
    if placed is None or not placed["field"]:
        return Refusal(Reason.MALFORMED, "", f"not a message: {text}")
    field = LEG.sub("", placed["field"]).split(".")[0].split("[")[0]
    return Refusal(Reason.INVALID_FIELD, field, f"{field} {_rule(text[: placed.start()])}")


def _rule(text: str) -> str:
    """The rule that a decoder's sentence stands for: no patterns and no types of ours."""
    for pattern, rule in RULES.items():
        if repr(pattern) in text or pattern in text:
            return rule
    length = LENGTH.search(text)
    if length is not None:
        return f"must have at {'most' if length['relation'] == '<=' else 'least'} {length['length']} characters"
    for start, rule in TYPES.items():
        if text.startswith(start):
            return rule
    return f"is not right: {text}"
