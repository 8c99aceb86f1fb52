"""What a user keeps of the web page: named JSON objects that only the page understands."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from engine.messages import END
from engine.refusal import Refusal
from engine.words import Reason
from gateway import bodies, browser
from gateway.auth import Authenticator
from gateway.database import Database

MOST_LAYOUTS: Final = 50
"""Of one user."""
LISTED: Final = """
    SELECT name, layout::text, (extract(epoch FROM updated_at) * 1000000)::bigint * 1000
    FROM layouts WHERE username = %s ORDER BY name"""
KEEP: Final = """
    INSERT INTO layouts (username, name, layout)
    SELECT %(username)s, %(name)s, %(layout)s::jsonb
    WHERE (SELECT count(*) FROM layouts WHERE username = %(username)s AND name <> %(name)s) < %(most)s
    ON CONFLICT (username, name) DO UPDATE SET layout = excluded.layout, updated_at = now()
    RETURNING (extract(epoch FROM updated_at) * 1000000)::bigint * 1000"""
DROP: Final = "DELETE FROM layouts WHERE username = %s AND name = %s RETURNING name"


class LayoutBody(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """`layout` null forgets it."""

    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=rf"^[A-Za-z0-9 ._-]+{END}")] = "default"
    layout: msgspec.Raw


_body: Final = msgspec.json.Decoder(LayoutBody)


class Layouts:
    def __init__(self, authenticator: Authenticator, database: Database) -> None:
        self._authenticator = authenticator
        self._database = database

    async def show(self, request: Request) -> Response:
        """GET /api/layouts: the user's own."""
        identity = self._authenticator.identify(request)
        bodies.parameters(request)
        rows = await self._database.rows(LISTED, (identity.actor,))
        # What the page keeps is given back as it is, so that the stamps are quoted one by one.
        listed = [
            b'{"name":%s,"layout":%s,"updated_ns":"%d"}' % (msgspec.json.encode(name), layout.encode(), updated_ns)
            for name, layout, updated_ns in rows
        ]
        return browser.reply(browser.listed("layouts", listed))

    async def keep(self, request: Request) -> Response:
        """PUT /api/layouts"""
        identity = self._authenticator.identify(request)
        body = await bodies.read(request, _body)
        if bytes(body.layout) == b"null":
            await self._database.rows(DROP, (identity.actor, body.name))
            return browser.reply(browser.encoded({"name": body.name, "updated_ns": None}))
        if not bytes(body.layout).startswith(b"{"):
            raise Refusal(Reason.INVALID_FIELD, "layout", "layout must be a JSON object, or null")
        if b"\\u0000" in bytes(body.layout):
            raise Refusal(Reason.INVALID_FIELD, "layout", "layout holds a character that no text has")
        values = {
            "username": identity.actor,
            "name": body.name,
            "layout": bytes(body.layout).decode(),
            "most": MOST_LAYOUTS,
        }
        rows = await self._database.rows(KEEP, values)
        if not rows:
            raise Refusal(
                Reason.INVALID_FIELD, "name", f"a user keeps at most {MOST_LAYOUTS} layouts: forget one first"
            )
        return browser.reply(browser.encoded({"name": body.name, "updated_ns": rows[0][0]}))
