"""The schemas in docs/ are those of the code, and AsyncAPI takes the document."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from engine import topics
from engine.topics import Topic
from infra import node, schemas
from infra.settings import load


@pytest.mark.parametrize("name", schemas.files())
def test_a_generated_file_is_fresh(name: str) -> None:
    assert (schemas.DOCS / name).read_text() == schemas.files()[name], "run make docs"


def test_there_is_a_schema_for_each_topic_and_no_other() -> None:
    there = {path.stem for path in (schemas.DOCS / schemas.SCHEMAS).iterdir()}
    assert there == {topic.name for topic in topics.TOPICS}


@pytest.mark.parametrize("topic", topics.TOPICS, ids=lambda topic: topic.name)
def test_a_topic_s_schema_is_json_schema(topic: Topic) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas.topic_schema(topic))


def test_asyncapi_s_own_schema_takes_the_document() -> None:
    """The schema is that of @asyncapi/specs."""
    path = node.packages(node.PAGE, load().node) / "@asyncapi" / "specs" / "schemas" / "3.0.0.json"
    validator = jsonschema.Draft7Validator(json.loads(path.read_text()))
    document = json.loads(schemas.files()[schemas.ASYNCAPI])
    validator.validate(document)
    document["channels"]["fills"]["messages"]["record"] = {"payload": 1}
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(document)


def test_every_reference_of_the_document_leads_somewhere() -> None:
    document = schemas.asyncapi()

    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if "$ref" in part else []
            return own + [name for value in part.values() for name in references(value)]
        return [name for value in part for name in references(value)] if isinstance(part, list) else []

    found = references(document)
    assert found
    for reference in found:
        target: Any = document
        for name in reference.removeprefix("#/").split("/"):
            target = target[name]
