"""Errors as RFC 9457 problem details: `type`, `title`, `status`, `detail`, `field`, `reason`."""

from __future__ import annotations

import http
import logging
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from engine.refusal import Refusal
from engine.words import REASONS, Reason
from gateway.requests import seen_of

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
TYPE: Final = "urn:hft:problem:"
RETRY_AFTER_S: Final = 1


class Problem(Exception):
    """An answer that is an error. `reason` is a word that programs can rely on, `field` what it lies in."""

    def __init__(
        self,
        status: int,
        reason: str,
        detail: str,
        *,
        field: str | None = None,
        headers: dict[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.field = field or None
        self.headers = headers or {}
        self.extensions = extensions

    def body(self) -> dict[str, Any]:
        return {
            "type": TYPE + self.reason,
            "title": http.HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "field": self.field,
            "reason": self.reason,
            **self.extensions,
        }

    def response(self) -> Response:
        headers = {"Cache-Control": "no-store", **self.headers}
        return Response(msgspec.json.encode(self.body()), self.status, headers, MEDIA_TYPE)


def refused(refusal: Refusal, **extensions: Any) -> Problem:
    """What a `Refusal` of a door means over HTTP."""
    return rejected(refusal.reason.wire, refusal.field, refusal.text, **extensions)


def rejected(reason: str | None, field: str | None, text: str | None, **extensions: Any) -> Problem:
    """What the engine's refusal means over HTTP: the status of its reason code."""
    known = Reason[reason.upper()] if reason and reason.upper() in Reason.__members__ else Reason.NONE
    status, standard = (REASONS[known].http_status, REASONS[known].text) if known in REASONS else (422, "refused")
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
    detail = text or standard
    if field and field not in detail:
        detail = f"{field}: {detail}"
    return Problem(status, reason or "refused", detail, field=field, headers=headers, **extensions)


def unavailable(service: str, detail: str, **extensions: Any) -> Problem:
    """A part that the request needs is away; another try may find it back."""
    return Problem(
        503,
        f"{service}_unavailable",
        detail,
        headers={"Retry-After": str(RETRY_AFTER_S)},
        **extensions,
    )


def unauthorized(detail: str, field: str = "token") -> Problem:
    return Problem(401, "unauthorized", detail, field=field, headers={"WWW-Authenticate": 'Bearer realm="hft"'})


def not_found(what: str, field: str | None = None, reason: str = "not_found") -> Problem:
    return Problem(404, reason, what, field=field)


# ------------------------------------------------------------------------------------------- Starlette's handlers


def _noted(request: Request, problem: Problem) -> Response:
    seen = seen_of(request.scope)
    seen.reason, seen.seq = problem.reason, problem.extensions.get("seq")
    return problem.response()


async def on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _noted(request, error)


async def on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _noted(request, refused(error))


async def on_http(request: Request, error: Exception) -> Response:
    """Starlette's own: no such route, a method that the route does not have."""
    assert isinstance(error, HTTPException)
    reason = http.HTTPStatus(error.status_code).name.lower()
    detail = error.detail
    if error.status_code == 404:
        detail = f"nothing is at {request.url.path}"
    elif error.status_code == 405:
        detail = f"{request.url.path} does not take {request.method}"
    return _noted(request, Problem(error.status_code, reason, detail, headers=dict(error.headers or {})))


async def on_failure(request: Request, error: Exception) -> Response:
    """Anything unforeseen; Starlette raises the error again, so the server logs where it came from."""
    return Problem(500, "internal_error", "the gateway failed on this request; its log says why").response()


HANDLERS: Final[dict[Any, Any]] = {
    Problem: on_problem,
    Refusal: on_refusal,
    HTTPException: on_http,
    Exception: on_failure,
}
