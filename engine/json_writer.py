"""JSON objects out of columns of integers, by compiled code: byte for byte what `msgspec` makes of the same records.

A `Plan` says which fields an object has and what stands in each. The texts that a number stands for (words, names) come
in `Fragments`, ready as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from engine.jit import COMPILED, entry, inlined

NUMBER, NUMBER_TEXT, WORD, TRUTH, PRICE, QUANTITY, AVERAGE, MONEY, PERCENT, TEXT, EVENT_ID, MATCH_ID, OBJECT, END = (
    range(14)
)
"""What a field holds. Of `column`: the number; the same in quotes; the text that it stands for; true or false; ticks;
lots; money units; ten-thousandths of a per cent. `AVERAGE`: `column` / `second`, ticks. `TEXT`: the bytes of the record
at `column`, `second` of them. `EVENT_ID`, `MATCH_ID`: "PREFIX.column.second", with an m before a match. `OBJECT`: the
fields up to `END`, which ends it and is none itself."""

ALWAYS, OR_NULL, OR_NOTHING = range(3)
"""What becomes of a field whose column `given` is 0: it is written all the same, is null, or is left out."""

QUOTE: Final = ord('"')
BACKSLASH: Final = ord("\\")
SPACE: Final = ord(" ")
ZERO: Final = ord("0")
DOT: Final = ord(".")
MINUS: Final = ord("-")
COMMA: Final = ord(",")
OPEN: Final = ord("{")
CLOSE: Final = ord("}")
LETTER_A: Final = ord("a")
LETTER_M: Final = ord("m")
LETTER_U: Final = ord("u")
MONEY_PLACES: Final = 6
MONEY_LEAST: Final = 2
PERCENT_PLACES: Final = 4
AVERAGE_PLACES: Final = 9
LONGEST_NUMBER: Final = 24
ESCAPED: Final = 6
"""Bytes that one byte of a text may become."""
LONGEST_ID: Final = 96
CHUNK: Final = 32
"""Bytes that are copied at once."""

encode: Final = msgspec.json.Encoder().encode

POWERS = np.array([10**k for k in range(19)], np.int64)


def chunked(text: bytes) -> NDArray[np.uint8]:
    """The text, and room behind it, so that it can be copied in chunks."""
    return np.frombuffer(text + bytes(CHUNK), np.uint8)


SHORT = np.zeros(SPACE, np.uint8)
"""The letter of the control characters that have one."""
for _letter, _code in zip("btnfr", (8, 9, 10, 12, 13), strict=True):
    SHORT[_code] = ord(_letter)

SCALE: Final = np.dtype(
    [("tick_places", "<i8"), ("tick_factor", "<i8"), ("lot_places", "<i8"), ("lot_factor", "<i8")],
)
"""An instrument's: tick = tick_factor × 10^-tick_places."""

FIELD: Final = np.dtype(
    [
        ("label", "<i8"),  # where `"name":` begins in the labels, and ends
        ("label_end", "<i8"),
        ("kind", "<i8"),
        ("column", "<i8"),
        ("second", "<i8"),
        ("given", "<i8"),
        ("absent", "<i8"),
        ("base", "<i8"),  # WORD: the first of its fragments
    ]
)


class Field(NamedTuple):
    """One field of a plan; the columns by name."""

    name: str
    kind: int
    column: str = ""
    second: str = ""
    given: str = ""
    absent: int = ALWAYS
    words: str = ""
    """WORD: which fragments."""


CONSTANTS: Final = (None, False, True)
NULL_PIECE: Final = 0
FALSE_PIECE: Final = 1


class Fragments(NamedTuple):
    """JSON texts in groups, each by a number from 0."""

    text: NDArray[np.uint8]
    starts: NDArray[np.int64]
    """One more than there are texts."""
    bases: dict[str, int]
    longest: int


def fragments(groups: dict[str, Sequence[object]]) -> Fragments:
    """Of `CONSTANTS`, and of the values of each group."""
    bases: dict[str, int] = {}
    texts = [encode(value) for value in CONSTANTS]
    for name, values in groups.items():
        bases[name] = len(texts)
        texts.extend(encode(value) for value in values)
    starts = np.zeros(len(texts) + 1, np.int64)
    starts[1:] = np.cumsum([len(text) for text in texts])
    return Fragments(chunked(b"".join(texts)), starts, bases, max(map(len, texts), default=0))


class Plan(NamedTuple):
    """The fields of one kind of object: the `head` (what stands before them, `{"v":1`), and the `tail`."""

    head: NDArray[np.uint8]
    tail: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    fields: NDArray[Any]
    """FIELD."""
    most: int
    """Bytes that an object may have."""


def plan(
    head: str, fields: Iterable[Field], tail: str, columns: Sequence[str], pieces: Fragments, offsets: dict[str, Any]
) -> Plan:
    """`offsets`: of a record's texts, (dtype, offset) by name, as `dtype.fields` has them."""
    wanted = list(fields)
    made = np.zeros(len(wanted), FIELD)
    labels = b""
    most = len(head) + len(tail)
    for row, field in zip(made, wanted, strict=True):
        label = b'"%s":' % field.name.encode()
        row["label"], row["label_end"] = len(labels), len(labels) + len(label)
        labels += label
        row["kind"], row["absent"] = field.kind, field.absent
        row["given"] = columns.index(field.given) if field.given else 0
        if field.kind == TEXT:
            kind, offset = offsets[field.column][:2]
            row["column"], row["second"] = offset, kind.itemsize
            longest = kind.itemsize * ESCAPED
        else:
            row["column"] = columns.index(field.column) if field.column else 0
            row["second"] = columns.index(field.second) if field.second else 0
            longest = LONGEST_ID if field.kind in (EVENT_ID, MATCH_ID) else LONGEST_NUMBER
        if field.kind == WORD:
            row["base"] = pieces.bases[field.words]
            longest = pieces.longest
        most += len(label) + longest + 4
    return Plan(
        chunked(head.encode()),
        chunked(tail.encode()),
        chunked(labels),
        made,
        most,
    )


# ---------------------------------------------------------------------------------------------------- compiled


@intrinsic
def _copy_chunk(_context: Any, out: Any, at: Any, text: Any, start: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        chunk = ir.VectorType(ir.IntType(8), CHUNK)
        places = []
        for array, index in ((0, 1), (2, 3)):
            memory = context.make_array(signature.args[array])(context, builder, arguments[array])
            place = builder.gep(memory.data, [arguments[index]])
            places.append(builder.bitcast(place, chunk.as_pointer()))
        builder.store(builder.load(places[1], align=1, typ=chunk), places[0], align=1)
        return context.get_dummy_value()

    return types.void(out, types.int64, text, types.int64), generate


if COMPILED:
    copy_chunk: Any = _copy_chunk
    """copy_chunk(out, at, text, start): CHUNK bytes of one array of bytes to another; a loop over single bytes took a
    third of the time of a record."""
else:

    def copy_chunk(out: Any, at: int, text: Any, start: int) -> None:
        out[at : at + CHUNK] = text[start : start + CHUNK]


@inlined
def put(out: Any, at: int, text: Any, start: int, end: int) -> int:
    """In chunks, the last of which goes past the end: what follows is written over it."""
    length = end - start
    done = 0
    while done < length:
        copy_chunk(out, at + done, text, start + done)
        done += CHUNK
    return at + length


@inlined
def put_number(out: Any, at: int, value: int) -> int:
    """A number that is not negative."""
    digits = 1
    while digits < 19 and value >= POWERS[digits]:
        digits += 1
    for k in range(at + digits - 1, at - 1, -1):
        rest = value // 10
        out[k] = ZERO + (value - rest * 10)
        value = rest
    return at + digits


@inlined
def put_decimal(out: Any, at: int, value: int, places: int, least: int) -> Any:
    """`value` × 10^-places in quotes, trailing zeros dropped down to `least` places: `units.scaled_text`."""
    out[at] = QUOTE
    at += 1
    if value < 0:
        out[at] = MINUS
        at += 1
        value = -value
    while places > least and value % 10 == 0:
        value //= 10
        places -= 1
    whole = value // POWERS[places]
    at = put_number(out, at, whole)
    if places > 0:
        out[at] = DOT
        part = value - whole * POWERS[places]
        for k in range(at + places, at, -1):
            rest = part // 10
            out[k] = ZERO + (part - rest * 10)
            part = rest
        at += places + 1
    out[at] = QUOTE
    return at + 1


@inlined
def put_text(out: Any, at: int, raw: Any, row: int, start: int, width: int) -> int:
    """Latin-1 up to the first zeros that fill it, as a JSON string in UTF-8."""
    end = start + width
    while end > start and raw[row, end - 1] == 0:
        end -= 1
    out[at] = QUOTE
    at += 1
    for k in range(start, end):
        byte = raw[row, k]
        if byte == QUOTE or byte == BACKSLASH:
            out[at] = BACKSLASH
            out[at + 1] = byte
            at += 2
        elif byte < SPACE:
            out[at] = BACKSLASH
            if SHORT[byte] != 0:
                out[at + 1] = SHORT[byte]
                at += 2
            else:
                out[at + 1] = LETTER_U
                out[at + 2] = ZERO
                out[at + 3] = ZERO
                out[at + 4] = ZERO + (byte >> 4)
                low = byte & 15
                out[at + 5] = ZERO + low if low < 10 else LETTER_A + low - 10
                at += 6
        elif byte < 128:
            out[at] = byte
            at += 1
        else:
            out[at] = 0xC0 | (byte >> 6)
            out[at + 1] = 0x80 | (byte & 63)
            at += 2
    out[at] = QUOTE
    return at + 1


@inlined
def average(notional: int, filled: int, factor: int, places: int) -> Any:
    """notional / filled ticks of factor × 10^-places, rounded half to even to AVERAGE_PLACES decimals: how many of the
    last one (`units.average_text`)."""
    ticks = notional // filled
    rest = (notional - ticks * filled) * factor
    value = ticks * factor + rest // filled
    rest %= filled
    for _ in range(places, AVERAGE_PLACES):
        rest *= 10
        digit = rest // filled
        rest -= digit * filled
        value = value * 10 + digit
    if 2 * rest > filled or (2 * rest == filled and value % 2 == 1):
        value += 1
    return value


@inlined
def put_id(out: Any, at: int, prefix: Any, seq: int, letter: int, index: int) -> int:
    out[at] = QUOTE
    at = put(out, at + 1, prefix, 0, prefix.shape[0] - CHUNK)
    at = put_number(out, at, seq)
    out[at] = DOT
    at += 1
    if letter != 0:
        out[at] = letter
        at += 1
    at = put_number(out, at, index)
    out[at] = QUOTE
    return at + 1


@entry
def write(
    head: Any,
    tail: Any,
    labels: Any,
    fields: Any,
    numbers: Any,
    raw: Any,
    scales: Any,
    scale_of: Any,
    pieces: Any,
    starts: Any,
    prefix: Any,
    out: Any,
    ends: Any,
) -> None:
    """Objects one after the other into `out`, each up to its `ends`. numbers: (column, row); raw: (row, bytes of the
    record); scales: SCALE, by scale_of[row]; prefix: of ids."""
    at = 0
    for row in range(ends.shape[0]):
        unit = scale_of[row]
        at = put(out, at, head, 0, head.shape[0] - CHUNK)
        for f in range(fields.shape[0]):
            kind = fields["kind"][f]
            if kind == END:
                out[at] = CLOSE
                at += 1
                continue
            absent = fields["absent"][f]
            here = absent == ALWAYS or numbers[fields["given"][f], row] != 0
            if not here and absent == OR_NOTHING:
                continue
            if out[at - 1] != OPEN:
                out[at] = COMMA
                at += 1
            at = put(out, at, labels, fields["label"][f], fields["label_end"][f])
            if kind == OBJECT:
                out[at] = OPEN
                at += 1
                continue
            value = numbers[fields["column"][f], row] if kind != TEXT else 0
            if not here or kind == WORD or kind == TRUTH:
                place = NULL_PIECE
                if here:
                    place = fields["base"][f] + value if kind == WORD else FALSE_PIECE + value
                at = put(out, at, pieces, starts[place], starts[place + 1])
            elif kind == TEXT:
                at = put_text(out, at, raw, row, fields["column"][f], fields["second"][f])
            elif kind == NUMBER:
                at = put_number(out, at, value)
            elif kind == EVENT_ID or kind == MATCH_ID:
                letter = LETTER_M if kind == MATCH_ID else 0
                at = put_id(out, at, prefix, value, letter, numbers[fields["second"][f], row])
            else:
                places = 0
                least = 0
                if kind == PRICE or kind == AVERAGE:
                    factor = scales["tick_factor"][unit]
                    places = least = scales["tick_places"][unit]
                    if kind == PRICE:
                        value *= factor
                    else:
                        value = average(value, numbers[fields["second"][f], row], factor, places)
                        places = AVERAGE_PLACES
                elif kind == QUANTITY:
                    value *= scales["lot_factor"][unit]
                    places = scales["lot_places"][unit]
                elif kind == MONEY:
                    places = MONEY_PLACES
                    least = MONEY_LEAST
                elif kind == PERCENT:
                    places = PERCENT_PLACES
                at = put_decimal(out, at, value, places, least)
        at = put(out, at, tail, 0, tail.shape[0] - CHUNK)
        ends[row] = at


def objects(
    plan: Plan,
    numbers: NDArray[np.int64],
    raw: NDArray[np.uint8],
    scales: NDArray[Any],
    scale_of: NDArray[np.int64],
    pieces: Fragments,
    prefix: NDArray[np.uint8],
) -> list[bytes]:
    """One JSON object for each row."""
    count = len(scale_of)
    out = np.empty(plan.most * count + CHUNK, np.uint8)
    ends = np.empty(count, np.int64)
    tables = (numbers, raw, scales, scale_of, pieces.text, pieces.starts, prefix)
    write(plan.head, plan.tail, plan.labels, plan.fields, *tables, out, ends)
    places: list[int] = ends.tolist()
    text = out[: places[-1]].tobytes() if places else b""
    start, made = 0, []
    for end in places:
        made.append(text[start:end])
        start = end
    return made
