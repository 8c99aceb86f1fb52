"""A server of the tests' own that speaks HTTP and WebSocket, on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from websockets.sync.server import ServerConnection, serve

Answer = Callable[[str, str, Any, dict[str, Any]], tuple[int, Any]]
"""Of method, path, headers and body: status and body (None: none)."""


@contextmanager
def listening(answer: Answer, session: Callable[[ServerConnection], None]) -> Iterator[tuple[str, str]]:
    """The addresses by HTTP and by WebSocket; `session` has one connection from its greeting to its end."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            status, said = answer(self.command, self.path, self.headers, body)
            data = b"" if said is None else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stream = serve(session, "127.0.0.1", 0)
    threads = [threading.Thread(target=one.serve_forever, args=args) for one, args in ((http, (0.05,)), (stream, ()))]
    for thread in threads:
        thread.start()
    try:
        yield (
            f"http://127.0.0.1:{http.server_address[1]}",
            f"ws://127.0.0.1:{stream.socket.getsockname()[1]}",
        )
    finally:
        http.shutdown()
        http.server_close()
        stream.shutdown()
        for thread in threads:
            thread.join(timeout=10)
