"""TypeScript types of the wire messages, from their one declaration in `engine/messages.py`.

`python -m infra.typescript` writes `dashboards/web/src/lib/messages.ts`; a test fails when the checked-in file
is not what this module would write. Records are typed as a browser receives them: every `*_ns` is a decimal
string, because nanoseconds pass 2^53, where the numbers of JavaScript stop being exact.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from engine import messages, words

TARGET: Final = Path(__file__).parent.parent / "dashboards" / "web" / "src" / "lib" / "messages.ts"
COMMANDS: Final[tuple[Any, ...]] = (
    messages.NewOrder,
    messages.OrderList,
    messages.Cancel,
    messages.Replace,
    messages.CancelAll,
)
PARTS: Final[tuple[Any, ...]] = (messages.ListedOrder,)
"""What commands are made of."""
RECORDS: Final[tuple[Any, ...]] = (
    messages.Order,
    messages.OrderEvent,
    messages.Fill,
    messages.Trade,
    messages.Book,
    messages.StrategyPosition,
    messages.Position,
    messages.Mark,
    messages.StrategyPnl,
    messages.CurrencyPnl,
    messages.Pnl,
    messages.Candle,
    messages.OrderFlow,
    messages.Alert,
    messages.Instrument,
    messages.SymbolLimits,
    messages.Account,
    messages.Reply,
    messages.Preview,
)
WORDS: Final[tuple[type[words.Word], ...]] = (
    words.Side,
    words.OrderType,
    words.TimeInForce,
    words.OrderStatus,
    words.ExecType,
    words.Liquidity,
    words.SelfTrade,
    words.SelfTradeScope,
    words.ListType,
    words.Phase,
    words.Source,
    words.Durability,
    words.Outcome,
    words.Reason,
    words.AlertKind,
)
WORD_OF_FIELD: Final[dict[str, str]] = {
    "side": "Side",
    "aggressor_side": "Side",
    "order_type": "OrderType",
    "time_in_force": "TimeInForce",
    "status": "OrderStatus",
    "order_status": "OrderStatus",
    "exec_type": "ExecType",
    "liquidity": "Liquidity",
    "self_trade_prevention": "SelfTrade",
    "self_trade_scope": "SelfTradeScope",
    "list_type": "ListType",
    "phase": "Phase",
    "durability": "Durability",
    "outcome": "Outcome",
    "reason": "Reason",
    "kind": "AlertKind",
}
"""Fields that hold a word of an enum, which the schema knows only as text."""
DECIMAL: Final = msgspec.json.schema(messages.DecimalText)["pattern"]
HEAD: Final = """\
// Written by `python -m infra.typescript` from engine/messages.py. Do not edit.

/** An exact decimal number as text: never parsed into a float except to draw with. */
export type DecimalText = string;
/** Nanoseconds since the epoch, UTC, as text: they pass 2^53. */
export type NanosecondText = string;
"""


def render() -> str:
    """The whole text of `messages.ts`."""
    _, commands = msgspec.json.schema_components(COMMANDS, ref_template="{name}")
    _, records = msgspec.json.schema_components(RECORDS, ref_template="{name}")
    parts = [HEAD]
    parts += [_words(word) for word in WORDS]
    working = ", ".join(f'"{status.wire}"' for status in sorted(words.WORKING))
    parts.append("/** Statuses of an order that can still trade. */")
    parts.append(f"export const WORKING: readonly OrderStatus[] = [{working}];\n")
    parts += [_interface(kind.__name__, commands[kind.__name__], sent=True) for kind in (*PARTS, *COMMANDS)]
    parts.append(f"export type OrderCommand = {' | '.join(kind.__name__ for kind in COMMANDS)};\n")
    parts += [_interface(kind.__name__, records[kind.__name__], sent=False) for kind in RECORDS]
    return "\n".join(parts)


def _words(word: type[words.Word]) -> str:
    """An enum as a union of its words; a member `NONE` stands for null on the wire."""
    return f"export type {word.__name__} =" + "".join(f'\n  | "{name}"' for name in word.words()) + ";\n"


def _interface(name: str, schema: dict[str, Any], *, sent: bool) -> str:
    """One object schema as an interface. What has a default may be left out of a message to us."""
    required = set(schema.get("required", ())) if sent else set(schema["properties"])
    lines = [_comment(schema["description"])] if "description" in schema else []
    lines.append(f"export interface {name} {{")
    for field, of in schema["properties"].items():
        lines.append(f"  {field}{'' if field in required else '?'}: {_field(field, of, sent=sent)};")
    return "\n".join([*lines, "}", ""])


def _comment(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines()]
    return "/** " + "\n * ".join(lines) + " */"


def _field(name: str, schema: dict[str, Any], *, sent: bool) -> str:
    if "anyOf" in schema:
        return " | ".join(_field(name, choice, sent=sent) for choice in schema["anyOf"])
    if name.endswith("_ns") and schema.get("type") == "integer" and not sent:
        return "NanosecondText"
    if name in WORD_OF_FIELD and schema.get("type") == "string":
        return WORD_OF_FIELD[name]
    return _type(schema)


def _type(schema: dict[str, Any]) -> str:
    """Raises `ValueError` for a schema that no message used when this was written."""
    if "$ref" in schema:
        return str(schema["$ref"])
    if "enum" in schema:
        return " | ".join(f'"{word}"' for word in schema["enum"])
    match schema.get("type"):
        case "null":
            return "null"
        case "boolean":
            return "boolean"
        case "integer" | "number":
            return "number"
        case "string":
            is_decimal = schema.get("format") == "decimal" or schema.get("pattern") == DECIMAL
            return "DecimalText" if is_decimal else "string"
        case "array" if "prefixItems" in schema:
            return f"readonly [{', '.join(_type(item) for item in schema['prefixItems'])}]"
        case "array":
            item = _type(schema["items"])
            return f"readonly ({item})[]" if " " in item else f"readonly {item}[]"
        case "object" if "additionalProperties" in schema:
            return f"Readonly<Record<string, {_type(schema['additionalProperties'])}>>"
    raise ValueError(f"no TypeScript for the schema {schema}")


def main() -> None:
    TARGET.write_text(render(), encoding="utf-8")
    sys.stderr.write(f"wrote {TARGET}\n")


if __name__ == "__main__":
    main()
