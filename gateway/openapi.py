"""The OpenAPI 3.1 document, made from the very classes that read requests and write answers; and a page to read it."""

from __future__ import annotations

import copy
import html
import http
import inspect
import re
from importlib.metadata import version
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from engine import words
from engine.messages import DECIMAL_PATTERN
from gateway import browser
from gateway.operations import OPERATIONS, Operation, Parameter
from gateway.problems import MEDIA_TYPE
from gateway.shapes import ProblemDetails

REF: Final = "#/components/schemas/{name}"
ALWAYS: Final = (400, 405, 422, 500, 503)
"""Statuses that every route may answer."""
WITH_TOKEN: Final = (401, 403, 429)
WITH_BODY: Final = (408, 413)
WORDS: Final = {
    "side": words.Side,
    "order_type": words.OrderType,
    "time_in_force": words.TimeInForce,
    "self_trade_prevention": words.SelfTrade,
    "self_trade_scope": words.SelfTradeScope,
    "list_type": words.ListType,
    "durability": words.Durability,
}
"""Fields of requests that hold a word of an enum."""
NANOSECONDS: Final = {"type": "string", "pattern": "^-?[0-9]+$", "description": "Nanoseconds since the epoch, UTC"}
DECIMAL: Final = {
    "anyOf": [{"type": "string", "pattern": DECIMAL_PATTERN.replace(r"$(?!\n)", "$")}, {"type": "number"}],
    "description": "An exact decimal number",
}
HEADERS: Final = {
    "RateLimit": {"schema": {"type": "string"}, "description": "Requests left, and seconds until all are there again"},
    "RateLimit-Policy": {"schema": {"type": "string"}, "description": "Requests in a window of seconds"},
    "traceparent": {"schema": {"type": "string"}, "description": "Of the order that the request was about"},
}
DESCRIPTION: Final = (
    "Prices, quantities and money are decimal text; on input numbers are taken too. `*_ns` are nanoseconds since the "
    "epoch, UTC, as text. Errors are RFC 9457 problem details with `field` and `reason`."
)


def document() -> dict[str, Any]:
    requests = [operation.body for operation in OPERATIONS if operation.body is not None]
    answers = [kind for operation in OPERATIONS for kind in operation.answers.values() if kind is not None]
    _, taken = msgspec.json.schema_components(requests, ref_template=REF)
    _, given = msgspec.json.schema_components([*answers, ProblemDetails], ref_template=REF)
    schemas = {name: _taken(schema) for name, schema in taken.items()}
    schemas |= {name: _given(schema) for name, schema in given.items()}
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "hft", "version": version("hft"), "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "hft_access"},
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation.method.lower() + re.sub(r"[{}]", "", operation.path).replace("/", "-"),
        "summary": operation.summary,
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": {str(status): _answer(operation, status) for status in operation.answers},
        "security": [{"token": []}, {"cookie": []}] if operation.token else [],
    }
    if operation.body is not None:
        made["requestBody"] = {
            "required": operation.body_required,
            "content": {"application/json": {"schema": {"$ref": REF.format(name=operation.body.__name__)}}},
        }
    refusals = {*ALWAYS, *operation.problems}
    refusals |= set(WITH_TOKEN) if operation.token else {401, 429}
    refusals |= set(WITH_BODY) if operation.body is not None else set()
    for status in sorted(refusals):
        made["responses"][str(status)] = {
            "description": http.HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(name="ProblemDetails")}}},
        }
    return made


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _answer(operation: Operation, status: int) -> dict[str, Any]:
    kind = operation.answers[status]
    schema: dict[str, Any] = {"type": "string"}
    if kind is not None:
        schema = {"type": "object"} if kind is dict[str, Any] else {"$ref": REF.format(name=kind.__name__)}
    answer: dict[str, Any] = {
        "description": http.HTTPStatus(status).phrase,
        "content": {operation.media_type: {"schema": schema}},
    }
    if operation.token:
        answer["headers"] = HEADERS
    return answer


def _taken(schema: dict[str, Any]) -> dict[str, Any]:
    """Of a request: decimals also as numbers, the words that a field may hold, no `type` to write."""
    made: dict[str, Any] = _cleaned(schema)
    properties = made.get("properties", {})
    if "type" in properties and "enum" in properties["type"]:
        made["required"] = [name for name in made.get("required", ()) if name != "type"]
    for name, field in properties.items():
        if name in WORDS:
            known: list[str | None] = list(WORDS[name].words())
            if any(part.get("type") == "null" for part in field.get("anyOf", ())):
                known.append(None)
            properties[name] = {"enum": known}
    if "layout" in properties:
        properties["layout"] = {"type": ["object", "null"]}
    return made


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """Of an answer: stamps are texts, as browsers need them."""
    made: dict[str, Any] = _cleaned(schema)
    for name, field in made.get("properties", {}).items():
        if name.endswith("_ns"):
            nullable = any(part.get("type") == "null" for part in field.get("anyOf", ()))
            made["properties"][name] = {"anyOf": [NANOSECONDS, {"type": "null"}]} if nullable else NANOSECONDS
    return made


def _cleaned(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_cleaned(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "decimal":
        return copy.deepcopy(DECIMAL)
    made = {name: _cleaned(part) for name, part in schema.items()}
    if "prefixItems" in made:
        # A level of a book. What each place holds is more than many tools can read.
        kinds = made.pop("prefixItems")
        made["items"] = {"anyOf": [kind for place, kind in enumerate(kinds) if kind not in kinds[:place]]}
    if isinstance(made.get("description"), str):
        made["description"] = inspect.cleandoc(made["description"])
    if isinstance(made.get("pattern"), str):
        made["pattern"] = made["pattern"].replace(r"$(?!\n)", "$")
    return made


class Documentation:
    def __init__(self) -> None:
        self._document = document()
        self._json = msgspec.json.encode(self._document)
        self._page = page(self._document)

    async def show(self, request: Request) -> Response:
        """GET /openapi.json"""
        return browser.reply(self._json, headers={"Cache-Control": "no-cache"})

    async def page(self, request: Request) -> Response:
        """GET /docs"""
        return HTMLResponse(self._page, headers={"Cache-Control": "no-cache"})


STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
code,pre{font:13px/1.4 ui-monospace,monospace}details{border-top:1px solid #8884;padding:.4rem 0}
summary{cursor:pointer}summary code:first-child{display:inline-block;min-width:4.5rem;font-weight:600}
table{border-collapse:collapse}td,th{text-align:left;padding:.1rem .8rem .1rem 0;vertical-align:top}
pre{overflow-x:auto;padding:.5rem;background:#8881}"""


def page(made: dict[str, Any]) -> str:
    """The document as HTML that asks for nothing else: no script, no font, no other host."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>hft: REST</title>",
        f"<style>{STYLE}</style><h1>REST</h1><p>{html.escape(made['info']['description'])}",
        "<p>For programs: <a href=/openapi.json>/openapi.json</a> (OpenAPI 3.1).<h2>Routes</h2>",
    ]
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            parts.append(_shown(path, method, operation))
    parts.append("<h2>Schemas</h2>")
    for name, schema in sorted(made["components"]["schemas"].items()):
        text = msgspec.json.format(msgspec.json.encode(schema), indent=2).decode()
        parts.append(f"<details id={name}><summary><b>{name}</b></summary><pre>{html.escape(text)}</pre></details>")
    return "".join(parts)


def _shown(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = [
        f"<tr><td><code>{html.escape(parameter['name'])}</code><td>{parameter['in']}"
        f"<td>{html.escape(msgspec.json.encode(parameter['schema']).decode())}"
        f"<td>{html.escape(parameter['description'])}"
        for parameter in operation["parameters"]
    ]
    body = operation.get("requestBody")
    if body is not None:
        rows.append(f"<tr><td>body<td><td>{_link(body['content']['application/json']['schema'])}")
    for status, answer in operation["responses"].items():
        ((media_type, content),) = answer["content"].items()
        rows.append(
            f"<tr><td>{status}<td>{html.escape(answer['description'])}<td>{_link(content['schema'])}<td>{media_type}"
        )
    return (
        f"<details><summary><code>{method.upper()}</code> <code>{html.escape(path)}</code> "
        f"{html.escape(operation['summary'])}</summary><table>{''.join(rows)}</table></details>"
    )


def _link(schema: dict[str, Any]) -> str:
    name = schema.get("$ref", "").rpartition("/")[2]
    return f"<a href=#{name}>{name}</a>" if name else html.escape(str(schema.get("type", "")))
