"""What a request carries: its body as a message, its query parameters as checked values."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from engine.reading import check_written, refusal_of
from engine.refusal import Refusal
from engine.words import Reason
from gateway.problems import Problem
from gateway.requests import seen_of

LARGEST_BODY: Final = 64 * 1024
SLOWEST_BODY_S: Final = 10.0
LARGEST_PAGE: Final = 1000

T = TypeVar("T")


async def read_body(request: Request) -> bytes:
    """The whole body. Raises `Problem` 413 as soon as it is known to be too large, 400 where it ends too early."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > LARGEST_BODY:
        raise _too_large()
    seen = seen_of(request.scope)
    try:
        async with asyncio.timeout(SLOWEST_BODY_S):
            async for chunk in request.stream():
                seen.body += chunk
                if len(seen.body) > LARGEST_BODY:
                    raise _too_large()
    except TimeoutError:
        detail = f"the body did not come within {SLOWEST_BODY_S:g} s"
        raise Problem(408, "request_timeout", detail, field="body", headers={"Connection": "close"}) from None
    except ClientDisconnect:
        raise Problem(400, Reason.MALFORMED.wire, "the connection ended before the body did", field="body") from None
    return seen.body


def _too_large() -> Problem:
    return Problem(413, "too_large", f"the body may hold at most {LARGEST_BODY} bytes", headers={"Connection": "close"})


async def read(request: Request, decoder: msgspec.json.Decoder[T]) -> T:
    """The body as a message. Raises `Problem` (too large) or `Refusal` (what is wrong with it, and where)."""
    return decoded(await read_body(request), decoder)


def decoded(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """The message, read as strictly as at the engine's own doors. Raises `Refusal`."""
    try:
        message = decoder.decode(data)
    except msgspec.ValidationError as error:
        refusal = refusal_of(error)
        if refusal.reason is Reason.MALFORMED:
            # It is JSON, but not an object: the request can be read, its content is wrong.
            raise Refusal(Reason.INVALID_FIELD, "body", f"the body must be a JSON object: {error}") from None
        raise refusal from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(Reason.MALFORMED, "body", f"the body is not valid JSON: {error}") from None
    check_written(data)
    return message


def parameters(request: Request, *known: str) -> dict[str, str]:
    """The query parameters. Raises `Refusal` for one that the route does not know, or that is given twice."""
    given = request.query_params.multi_items()
    values: dict[str, str] = {}
    for name, value in given:
        if name not in known:
            text = f"{name[:40]} is not a parameter of this route; it knows {', '.join(known) or 'none'}"
            raise Refusal(Reason.INVALID_FIELD, name[:40], text)
        if name in values:
            raise Refusal(Reason.INVALID_FIELD, name, f"{name} is given twice")
        if "\x00" in value:
            raise Refusal(Reason.INVALID_FIELD, name, f"{name} holds a character that no value has")
        values[name] = value
    return values


def whole(values: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    """A whole number within [`least`, `most`]. Raises `Refusal`."""
    text = values.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and least <= int(text) <= most):
        raise Refusal(Reason.INVALID_FIELD, name, f"{name} must be a whole number from {least} to {most}")
    return int(text)


def one_of(values: dict[str, str], name: str, words: Iterable[str], default: str | None = None) -> str | None:
    """One of these words. Raises `Refusal`."""
    text = values.get(name)
    if text is None:
        return default
    known = list(words)
    if text not in known:
        raise Refusal(Reason.INVALID_FIELD, name, f"{name} must be one of {', '.join(known)}")
    return text


def stamp(values: dict[str, str], name: str) -> int | None:
    """Nanoseconds since the epoch, None where it is not given. Raises `Refusal`."""
    return whole(values, name, 0, 0, (1 << 63) - 1) if name in values else None


def page_size(values: dict[str, str]) -> int:
    return whole(values, "limit", 100, 1, LARGEST_PAGE)
