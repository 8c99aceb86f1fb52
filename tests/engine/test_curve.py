"""An engine with a CURVE key takes encrypted connections, and no others."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import zmq

from engine.client import Client
from tests.engine.doors import define, open_engine, token


def test_only_who_encrypts_for_this_engine_is_answered(tmp_path: Path) -> None:
    public, secret = (key.decode() for key in zmq.curve_keypair())
    other, _ = (key.decode() for key in zmq.curve_keypair())
    with open_engine(tmp_path, secret_key=secret) as (_, address):
        with Client(f"{address}|{public}", token()) as client:
            define(client, "demo")
            assert client.depth("AAPL").symbol == "AAPL"
        for wrong in (address, f"{address}|{other}"):
            with closing(Client(wrong, token(), timeout_s=0.5)) as client, pytest.raises(TimeoutError):
                client.connect()
