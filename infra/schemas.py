"""What other people's programs read the topics by: a JSON Schema for each topic, and one AsyncAPI document.

`python -m infra.schemas` writes docs/schemas/ and docs/asyncapi.json from `engine/topics.py` and `engine/messages.py`;
a test fails when the checked-in files are not what this module would write.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec

from engine import topics
from engine.topics import Topic
from infra.settings import Settings
from infra.typescript import WORD_OF_FIELD, WORDS

DOCS: Final = Path(__file__).parent.parent / "docs"
ASYNCAPI: Final = "asyncapi.json"
SCHEMAS: Final = "schemas"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
COMPONENT: Final = "#/components/schemas/"
_WORDS: Final = {word.__name__: list(word.words()) for word in WORDS}


def files() -> dict[str, str]:
    """Path below docs/ → text, of every generated file."""
    made = {f"{SCHEMAS}/{topic.name}.json": _text(topic_schema(topic)) for topic in topics.TOPICS}
    return made | {ASYNCAPI: _text(asyncapi())}


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def topic_schema(topic: Topic) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a topic's values."""
    schema = _with_words(msgspec.json.schema(topic.record))
    return {"$schema": DIALECT, "title": topic.name, **schema}


def _with_words(schema: Any) -> Any:
    """For people: texts without indentation, and the words of today as examples; they are no `enum`, since a later
    version may say others."""
    if isinstance(schema, list):
        return [_with_words(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _with_words(part) for name, part in schema.items()}
    if isinstance(made.get("description"), str):
        made["description"] = inspect.cleandoc(made["description"])
    for name, field in (made.get("properties") or {}).items():
        word = WORD_OF_FIELD.get(name)
        kinds = [field, *field.get("anyOf", ())]
        if word is not None and any(kind.get("type") == "string" for kind in kinds):
            field["examples"] = _WORDS[word]
    return made


# ---------------------------------------------------------------------------------------------------- AsyncAPI


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document of all topics, from this program's point of view: it receives `orders` and sends the
    rest."""
    _, components = msgspec.json.schema_components(
        [topic.record for topic in topics.TOPICS], ref_template=f"{COMPONENT}{{name}}"
    )
    defaults = Settings.model_fields
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "hft",
            "version": version("hft"),
            "description": "Every order, fill and position change is a Kafka record. Prices, quantities and money are "
            "decimal text; `*_ns` are integer nanoseconds since the epoch, UTC. A record carries the version `v`; a "
            "reader ignores fields that it does not know, and a field that it misses has its default.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": f"127.0.0.1:{defaults['kafka_port'].default}",
                "protocol": "kafka",
                "description": "The embedded broker; HFT_KAFKA_BOOTSTRAP names another.",
            }
        },
        "channels": {topic.name: _channel(topic) for topic in topics.TOPICS},
        "operations": {_operation_name(topic): _operation(topic) for topic in topics.TOPICS},
        "components": {
            "messages": {topic.name: _message(topic) for topic in topics.TOPICS},
            "schemas": {name: _plain(_with_words(schema)) for name, schema in components.items()},
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    configuration = {"cleanup.policy": [topic.cleanup], "retention.ms": topic.retention_ms}
    partitions = 1 if topic.single else Settings.model_fields["partitions"].default
    return {
        "address": topic.name,
        "messages": {"record": {"$ref": f"#/components/messages/{topic.name}"}},
        "bindings": {
            "kafka": {"partitions": partitions, "topicConfiguration": configuration, "bindingVersion": "0.5.0"}
        },
    }


def _operation_name(topic: Topic) -> str:
    return f"{'receive' if topic is topics.ORDERS else 'send'}-{topic.name}"


def _operation(topic: Topic) -> dict[str, Any]:
    return {
        "action": "receive" if topic is topics.ORDERS else "send",
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/record"}],
    }


def _message(topic: Topic) -> dict[str, Any]:
    kinds = _kinds(topic.record)
    payload = [{"$ref": f"{COMPONENT}{kind.__name__}"} for kind in kinds]
    summary = " ".join((kinds[0].__doc__ or "").split()) if len(kinds) == 1 else "What is asked of the engine."
    return {
        "name": topic.name,
        "summary": summary,
        "payload": payload[0] if len(payload) == 1 else {"oneOf": payload, "discriminator": "type"},
        "bindings": {"kafka": {"key": {"type": "string", "description": topic.key}, "bindingVersion": "0.5.0"}},
    }


def _kinds(record: Any) -> tuple[Any, ...]:
    return getattr(record, "__args__", (record,))


def _plain(schema: Any) -> Any:
    """In AsyncAPI's own dialect, a superset of draft-07: a tuple is a list of `items`."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _plain(part) for name, part in schema.items() if name not in ("prefixItems", "items")}
    if "prefixItems" in schema:
        made["items"] = _plain(schema["prefixItems"])
    elif "items" in schema:
        made["items"] = _plain(schema["items"])
    return made


def main() -> None:
    written = files()
    for path in (DOCS / SCHEMAS).glob("*.json"):
        if f"{SCHEMAS}/{path.name}" not in written:
            path.unlink()
    for name, text in written.items():
        path = DOCS / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    sys.stderr.write(f"wrote {len(written)} files in {DOCS}\n")


if __name__ == "__main__":
    main()
