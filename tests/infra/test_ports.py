from __future__ import annotations

import os
import socket

import pytest

from infra.errors import OperatorError
from infra.ports import Wanted, check, check_distinct, free_ports, wanted_ports
from infra.settings import Settings


def test_a_taken_port_names_holder_and_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OperatorError) as failure:
            check([Wanted("127.0.0.1", port, "Kafka", "HFT_KAFKA_PORT")])
    assert str(failure.value).startswith(f"port {port} is taken by ")
    assert str(failure.value).endswith(f"(pid {os.getpid()}); Kafka wants it: set HFT_KAFKA_PORT")


def test_a_free_port_passes() -> None:
    (port,) = free_ports(1)
    check([Wanted("127.0.0.1", port, "Kafka", "HFT_KAFKA_PORT")])


def test_an_address_of_another_machine() -> None:
    (port,) = free_ports(1)
    with pytest.raises(OperatorError, match=r"^192\.0\.2\.1 is not an address of this machine: set HFT_HOST$"):
        check([Wanted("192.0.2.1", port, "the gateway", "HFT_GATEWAY_PORT")])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"redis_port": 5433}, "port 5433 is wanted by Postgres and Redis: set HFT_REDIS_PORT"),
        ({"gateway_port": 9093}, "port 9093 is wanted by Kafka's controller and the gateway: set HFT_GATEWAY_PORT"),
        ({"kafka_port": 65535}, "65536 is no port (Kafka's controller): set HFT_KAFKA_PORT"),
    ],
)
def test_settings_that_contradict_each_other(changes: dict[str, int], message: str) -> None:
    with pytest.raises(OperatorError) as failure:
        check_distinct(wanted_ports(Settings(_env_file=None, **changes)))  # type: ignore[arg-type, call-arg]
    assert str(failure.value) == message


def test_servers_of_others_want_no_port() -> None:
    settings = Settings(_env_file=None, kafka_bootstrap="k:9092", postgres_dsn="postgresql://p", redis_url="redis://r")  # type: ignore[call-arg]
    assert [want.who for want in wanted_ports(settings)] == ["the engine", "the market data", "the gateway"]
