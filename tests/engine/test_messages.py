"""The vocabulary holds together: words, reasons, JSON messages, binary records."""

from __future__ import annotations

import inspect
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import numpy as np
import pytest
from msgspec import Struct

import engine
from engine import messages, words
from engine.layout import CLIENT_ORDER_ID_LENGTH, COMMAND, FIELDS, HEADER, NAME_LENGTH, REPLY, REPORT, field_number
from engine.messages import AdministrativeCommand, Cancel, CancelAll, NewOrder, OrderCommand, Replace
from engine.words import REASONS, OrderStatus, OrderType, Reason, Side, TimeInForce, Word

WORDS = [value for value in vars(words).values() if inspect.isclass(value) and issubclass(value, Word)][1:]
STRUCTS = [
    value
    for value in vars(messages).values()
    if inspect.isclass(value)
    and issubclass(value, Struct)
    and value is not Struct
    and value.__module__ == "engine.messages"
]
DTYPES = {"COMMAND": (COMMAND, 192), "REPORT": (REPORT, 232), "REPLY": (REPLY, 64), "HEADER": (HEADER, 24)}

# --------------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("enum", "words"),
    [
        (Side, "buy sell"),
        (OrderType, "market limit stop stop_limit trailing_stop"),
        (TimeInForce, "day gtc gtd ioc fok opg cls"),
        (OrderStatus, "pending_new new partially_filled filled canceled rejected expired"),
        (words.Liquidity, "none maker taker"),
        (words.ExecType, "new trade canceled replaced rejected expired triggered restated print"),
        (words.Source, "zeromq kafka rest websocket system"),
        (words.Durability, "journaled synced committed"),
        (words.Outcome, "accepted rejected duplicate"),
    ],
    ids=lambda value: value.__name__ if inspect.isclass(value) else "",
)
def test_words_on_the_wire(enum: type[Word], words: str) -> None:
    """These are what other people's programs say and read: one that changes breaks them."""
    assert [member.wire for member in enum] == words.split()
    assert enum.words() == {member.wire: int(member) for member in enum}


@pytest.mark.parametrize("enum", WORDS, ids=lambda enum: enum.__name__)
def test_a_word_is_lower_snake_case_and_fits_a_byte(enum: type[Word]) -> None:
    for member in enum:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", member.wire)
        assert 0 <= member <= 255
    assert len(enum.__members__) == len(enum), "no number twice"


def test_the_first_four_commands_are_the_binary_ones() -> None:
    """Compiled code reads their numbers."""
    assert [member.wire for member in words.CommandType][:4] == ["new", "cancel", "replace", "cancel_all"]
    assert [int(member) for member in words.CommandType][:4] == [1, 2, 3, 4]


# ------------------------------------------------------------------------------------------------- reasons


def test_every_reason_has_its_numbers_and_text() -> None:
    assert set(REASONS) == set(Reason) - {Reason.NONE}


@pytest.mark.parametrize("reason", list(REASONS), ids=lambda reason: reason.wire)
def test_reason(reason: Reason) -> None:
    known = REASONS[reason]
    assert known.fix_tag in (102, 103, 58)
    if known.fix_tag == 103:
        assert known.fix_number in (0, 1, 2, 3, 5, 6, 8, 11, 13, 15, 16, 18, 99)
    elif known.fix_tag == 102:
        assert known.fix_number in (0, 1, 3, 6)
    assert known.http_status in (200, 400, 403, 404, 409, 422, 429, 503)
    assert known.text
    assert known.text[0].islower()
    assert not known.text.endswith(".")


def test_the_numbers_of_the_design() -> None:
    """FIX: the reasons that other people's systems act on."""
    numbers = {reason.wire: REASONS[reason][:3] for reason in REASONS}
    assert numbers["unknown_symbol"] == (103, 1, 422)
    assert numbers["unknown_account"] == (103, 15, 422)
    assert numbers["unknown_order"] == (102, 1, 404)
    assert numbers["too_late"] == (102, 0, 422)
    assert numbers["duplicate_client_order_id"] == (103, 6, 409)
    assert numbers["invalid_quantity"] == (103, 13, 422)
    assert numbers["price_increment"] == (103, 18, 422)
    assert numbers["price_band"] == (103, 16, 422)
    assert numbers["unsupported"] == (103, 11, 422)
    assert numbers["not_authorized"] == (103, 15, 403)
    assert numbers["malformed"] == (103, 99, 400)


def test_the_table_for_people_is_the_table_of_the_code() -> None:
    path = Path(engine.__file__).parents[1] / "docs" / "reasons.md"
    rows = [line for line in path.read_text().splitlines() if line.startswith("| `")]
    expected = [
        f"| `{reason.wire}` | {int(reason)} | {tag} | {number} | {status} | {text} |"
        for reason, (tag, number, status, text) in REASONS.items()
    ]
    assert rows == expected


# -------------------------------------------------------------------------------------------- binary records


@pytest.mark.parametrize("name", DTYPES)
def test_record(name: str) -> None:
    """The sizes are part of the protocol; nothing lies between or behind the fields that is not declared."""
    dtype, size = DTYPES[name]
    assert dtype.itemsize == size
    end = 0
    for field in dtype.names or ():
        kind, offset = dtype.fields[field][:2]  # type: ignore[index]
        assert offset == end, f"{field} does not follow the one before it"
        if kind.kind in "iu":
            assert offset % kind.itemsize == 0, f"{field} is not aligned"
            assert kind.byteorder in "<|" or np.little_endian
        end = offset + kind.itemsize
    assert end == size


@pytest.mark.parametrize("dtype", [COMMAND, REPORT], ids=["COMMAND", "REPORT"])
def test_texts_are_whole_words(dtype: np.dtype[Any]) -> None:
    """Compiled code copies and compares them 8 bytes at a time, the strategy and the client order id in one go."""
    for field, length in (("strategy", NAME_LENGTH), ("client_order_id", CLIENT_ORDER_ID_LENGTH)):
        kind, offset = dtype.fields[field][:2]  # type: ignore[index]
        assert kind.itemsize == length
        assert offset % 8 == length % 8 == 0
    fields: Any = dtype.fields
    assert fields["client_order_id"][1] == fields["strategy"][1] + NAME_LENGTH
    assert dtype.itemsize == fields["client_order_id"][1] + CLIENT_ORDER_ID_LENGTH


def test_fields_that_a_refusal_can_point_at() -> None:
    assert FIELDS[0] == ""
    assert len(FIELDS) == len(set(FIELDS)) <= 256
    assert set(COMMAND.names or ()) < set(FIELDS)
    for number, name in enumerate(FIELDS):
        assert field_number(name) == number
    assert field_number("no such field") == 0


# ---------------------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize("message", STRUCTS, ids=lambda message: message.__name__)
def test_schema(message: type[Struct]) -> None:
    """JSON Schema can be made of every message, and is one."""
    schema = msgspec.json.schema(message)
    jsonschema.Draft202012Validator.check_schema(schema)
    names = {field.name for field in msgspec.structs.fields(message)}
    assert names <= set(schema["$defs"][message.__name__]["properties"])


@pytest.mark.parametrize("message", STRUCTS, ids=lambda message: message.__name__)
def test_messages_never_change(message: type[Struct]) -> None:
    assert message.__struct_config__.frozen


@pytest.mark.parametrize("union", [OrderCommand, AdministrativeCommand], ids=["orders", "administrative"])
def test_schema_of_all_commands(union: Any) -> None:
    schema = msgspec.json.schema(union)
    jsonschema.Draft202012Validator.check_schema(schema)
    # A list travels on as its legs; what a venue says is never a record.
    known = {*words.CommandType.words(), "order_list", "venue_fill", "venue_end"}
    for word in schema["discriminator"]["mapping"]:
        assert word in known


COMMANDS = [
    (
        b'{"type":"new","account":"demo","symbol":"AAPL","side":"buy","quantity":"100","limit_price":"190.10"}',
        NewOrder(account="demo", symbol="AAPL", side="buy", quantity=Decimal(100), limit_price=Decimal("190.10")),
    ),
    (
        b'{"type":"new","account":"demo","symbol":"BTCUSD","side":"sell","quantity":0.1,"order_type":"market"}',
        NewOrder(account="demo", symbol="BTCUSD", side="sell", quantity=Decimal("0.1"), order_type="market"),
    ),
    (
        b'{"type":"cancel","account":"demo","client_order_id":"a-1"}',
        Cancel(account="demo", client_order_id="a-1"),
    ),
    (
        b'{"type":"replace","account":"demo","order_id":"17","quantity":"5"}',
        Replace(account="demo", order_id="17", quantity=Decimal(5)),
    ),
    (b'{"type":"cancel_all","account":"demo"}', CancelAll(account="demo")),
]


@pytest.mark.parametrize(("text", "command"), COMMANDS, ids=[type(command).__name__ for _, command in COMMANDS])
def test_command_from_json_and_back(text: bytes, command: OrderCommand) -> None:
    """Numbers as they stand, without a float on the way; and what we write is what our schema says."""
    decoded = msgspec.json.decode(text, type=OrderCommand)
    assert decoded == command
    assert msgspec.json.decode(messages.as_json(decoded), type=OrderCommand) == command
    jsonschema.validate(msgspec.json.decode(messages.as_json(decoded)), msgspec.json.schema(OrderCommand))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b'{"type":"new","account":"demo","symbol":"AAPL","side":"buy"}', "missing required field `quantity`"),
        (b'{"type":"cancel","account":"demo","nonsense":1}', "unknown field `nonsense`"),
        (b'{"type":"dance","account":"demo"}', r"Invalid value 'dance' - at `\$.type`"),
        (b'{"account":"demo"}', "missing required field `type`"),
        (b'{"type":"cancel","account":""}', r"at `\$.account`"),
        (b'{"type":"cancel","account":"a name that is too long"}', r"at `\$.account`"),
        (b'{"type":"cancel","account":"de mo"}', r"at `\$.account`"),
        (b'{"type":"cancel","account":"demo\\n"}', r"at `\$.account`"),
        (b'{"type":"cancel","account":"demo","order_id":"-1"}', r"at `\$.order_id`"),
        (b'{"type":"cancel","account":"demo","client_order_id":"a b"}', r"at `\$.client_order_id`"),
        (b'{"type":"cancel","account":"demo","client_order_id":"a\\n"}', r"at `\$.client_order_id`"),
        (b'{"type":"cancel","account":"demo","client_order_id":"%s"}' % (b"x" * 49), r"at `\$.client_order_id`"),
        (
            b'{"type":"new","account":"demo","symbol":"AAPL","side":"buy","quantity":"ten"}',
            r"at `\$.quantity`",
        ),
    ],
)
def test_json_that_is_no_command(text: bytes, complaint: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=complaint):
        msgspec.json.decode(text, type=OrderCommand)
