"""Records of another version do no harm: an older reader passes over what a newer one has added, a newer reader takes
what an older one wrote. For every record type of every topic, and for the commands of `orders`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import jsonschema
import msgspec
import pytest
from msgspec import Struct, inspect

from engine import messages, reading, topics
from engine.messages import SCHEMA_VERSION, Record
from engine.refusal import Refusal
from engine.topics import Topic
from engine.words import Reason

OLD: Final = Path(__file__).with_name("old_records.jsonl")
RECORDS = [topic for topic in topics.TOPICS if topic is not topics.ORDERS]
NEWER = {"v": SCHEMA_VERSION + 1, "added_later": {"deep": [1, None]}, "flag": True}
"""What a later version may add to any object."""


def example(kind: inspect.Type) -> Any:
    """Some JSON value of a type."""
    match kind:
        case inspect.StructType():
            return {field.encode_name: example(field.type) for field in kind.fields}
        case inspect.DictType():
            return {"key": example(kind.value_type)}
        case inspect.ListType():
            return [example(kind.item_type)]
        case inspect.TupleType():
            return [example(item) for item in kind.item_types]
        case inspect.UnionType():
            return example(next(part for part in kind.types if not isinstance(part, inspect.NoneType)))
        case inspect.StrType():
            return "7" if kind.pattern else "text"
        case inspect.BoolType():
            return True
        case inspect.IntType():
            return SCHEMA_VERSION
        case inspect.FloatType():
            return 0.5
        case inspect.AnyType():
            return "any"
    raise AssertionError(f"no example of {kind}")


def with_more(value: Any, kind: inspect.Type) -> Any:
    """The same value, with fields of a later version in every object that we declare."""
    match kind:
        case inspect.StructType():
            known = {field.encode_name: with_more(value[field.encode_name], field.type) for field in kind.fields}
            return known | (NEWER if issubclass(kind.cls, Record) else {"added_later": 1})
        case inspect.DictType():
            return {key: with_more(part, kind.value_type) for key, part in value.items()}
        case inspect.ListType():
            return [with_more(part, kind.item_type) for part in value]
    return value


def with_less(value: Any, kind: inspect.Type) -> Any:
    """The same value as written before there were the fields that have a default."""
    match kind:
        case inspect.StructType():
            return {
                field.encode_name: with_less(value[field.encode_name], field.type)
                for field in kind.fields
                if field.required
            }
        case inspect.DictType():
            return {key: with_less(part, kind.value_type) for key, part in value.items()}
        case inspect.ListType():
            return [with_less(part, kind.item_type) for part in value]
    return value


@pytest.mark.parametrize("topic", RECORDS, ids=lambda topic: topic.name)
def test_an_older_reader_takes_a_newer_record(topic: Topic) -> None:
    kind = inspect.type_info(topic.record)
    today = example(kind)
    newer = json.dumps(with_more(today, kind)).encode()
    assert b"added_later" in newer
    read = msgspec.json.decode(newer, type=topic.record)
    assert read.v == SCHEMA_VERSION + 1
    assert msgspec.structs.replace(read, v=SCHEMA_VERSION) == msgspec.convert(today, topic.record)
    jsonschema.validate(json.loads(newer), msgspec.json.schema(topic.record))


@pytest.mark.parametrize("topic", RECORDS, ids=lambda topic: topic.name)
def test_a_newer_reader_takes_an_older_record(topic: Topic) -> None:
    """Both ways that there are: today's reader and a record without what has a default; tomorrow's reader, which knows
    a field more, and today's record."""
    kind = inspect.type_info(topic.record)
    today = example(kind)
    older = json.dumps(with_less(today, kind)).encode()
    read = msgspec.json.decode(older, type=topic.record)
    assert read.v == SCHEMA_VERSION
    jsonschema.validate(json.loads(older), msgspec.json.schema(topic.record))
    tomorrow = msgspec.defstruct(
        "Tomorrow", [("added_later", str | None, None)], bases=(topic.record,), kw_only=True, frozen=True
    )
    later = msgspec.json.decode(json.dumps(today).encode(), type=tomorrow)
    assert later.added_later is None  # type: ignore[attr-defined]
    assert all(getattr(later, name) == getattr(msgspec.convert(today, topic.record), name) for name in today)


def test_records_that_were_once_written_can_be_read() -> None:
    """The file only ever grows: a line is a record as a released or tagged version wrote it."""
    seen = set()
    for line in OLD.read_bytes().splitlines():
        entry = json.loads(line)
        topic = topics.BY_NAME[entry["topic"]]
        msgspec.convert(entry["value"], topic.record)
        jsonschema.validate(entry["value"], msgspec.json.schema(topic.record))
        seen.add(topic.name)
    assert seen == {topic.name for topic in topics.TOPICS}


@pytest.mark.parametrize("kind", messages.OrderCommand.__args__, ids=lambda kind: kind.__name__)
def test_a_command_of_a_later_version_is_refused_by_name_and_not_carried_out_in_part(kind: type[Struct]) -> None:
    """A command is no record: what it asks for and we do not know must not be left out."""
    struct = inspect.type_info(kind)
    assert isinstance(struct, inspect.StructType)
    command = {"type": struct.tag, "account": "demo", "added_later": True}
    with pytest.raises(Refusal) as refused:
        reading.parse(json.dumps(command).encode())
    assert (refused.value.reason, refused.value.field) == (Reason.INVALID_FIELD, "added_later")
