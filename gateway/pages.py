"""The web page's files."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from gateway.problems import not_found

NOT_BUILT: Final = "The web page has not been built yet; the API is at /api. `make up` builds it.\n"
FOREVER: Final = "public, max-age=31536000, immutable"
"""Of files whose name holds a hash of what is in them."""
ASK_AGAIN: Final = "no-cache"


class Page:
    """A built single-page application: its files, and its index for every other path that a person may type."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._files = StaticFiles()
        # Debian's and the smallest images' tables do not all know these.
        mimetypes.add_type("text/javascript", ".js")
        mimetypes.add_type("font/woff2", ".woff2")
        mimetypes.add_type("application/manifest+json", ".webmanifest")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers what no route does."""
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        response = self._show(Request(scope))
        await response(scope, receive, send)

    def _show(self, request: Request) -> Response:
        path = request.scope["path"].removeprefix("/")
        if request.method not in ("GET", "HEAD") or path.partition("/")[0] in ("api", "ws"):
            raise not_found(f"nothing is at {request.url.path}")
        file = self._file(path)
        if file is not None:
            return self._send(request, file, FOREVER if path.startswith("assets/") else ASK_AGAIN)
        if "." in path.rpartition("/")[2]:
            raise not_found(f"nothing is at {request.url.path}")
        index = self._file("index.html")
        if index is None:
            return PlainTextResponse(NOT_BUILT, headers={"Cache-Control": "no-store"})
        return self._send(request, index, ASK_AGAIN)

    def _send(self, request: Request, file: Path, cache: str) -> Response:
        response = self._files.file_response(file, file.stat(), request.scope)
        response.headers["Cache-Control"] = cache
        return response

    def _file(self, path: str) -> Path | None:
        """The file of that name inside the folder."""
        if not path or "\x00" in path:
            return None
        try:
            file = (self._folder / path).resolve()
            return file if file.is_relative_to(self._folder) and file.is_file() else None
        except OSError:  # a name that no file can have
            return None
