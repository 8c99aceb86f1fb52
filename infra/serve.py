"""`hft serve kafka`: the embedded broker alone, in the foreground, for a supervisor such as systemd."""

from __future__ import annotations

import os
from typing import NoReturn

from infra import jars, kafka
from infra.folders import folders
from infra.settings import Settings


def serve_kafka(settings: Settings) -> NoReturn:
    """Becomes the broker: this process is replaced by Java's. Raises `OperatorError`."""
    where = folders(settings.var)
    where.create()
    program = kafka.program(
        where.kafka,
        settings.kafka_port,
        jars.class_path(settings.cache.expanduser(), mirror=settings.maven_mirror),
        log_file=where.log("kafka"),
        java_setting=settings.java,
    )
    assert program.folder is not None
    kafka.require_room(program.folder)
    os.chdir(program.folder)
    os.execv(program.command[0], program.command)
