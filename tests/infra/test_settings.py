from __future__ import annotations

import inspect
import os
from importlib import import_module
from pathlib import Path

import pytest

from infra import alpaca_keys, reference
from infra.errors import OperatorError
from infra.folders import folders
from infra.services import SERVICES
from infra.settings import Settings, load

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text() == reference.markdown(), "run `make docs`"


def test_every_setting_is_described() -> None:
    assert [row.variable for row in reference.rows() if not row.description.strip()] == []


def test_a_child_reads_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(kafka_port=19092, market="none", market_rate=2.5, var=Path("/tmp/somewhere"), jwt_secret="x")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings(_env_file=None) == settings  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("HFT_PARTITIONS", "0", "HFT_PARTITIONS=0: input should be greater than or equal to 1"),
        ("HFT_KAFKA_PORT", "many", "HFT_KAFKA_PORT=many: input should be a valid integer"),
        ("HFT_ENGINE_CPU", "first", "HFT_ENGINE_CPU=first: string should match pattern"),
        ("HFT_MARKET", "bull", "HFT_MARKET=bull: input should be 'simulated', 'alpaca' or 'none'"),
    ],
)
def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(OperatorError) as failure:
        load()
    assert str(failure.value).startswith(message)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("service", ["engine", "publisher"])
def test_a_service_is_pinned_to_a_processor_that_is_there(tmp_path: Path, service: str) -> None:
    def cpu(number: str) -> object:
        settings = load(**{f"{service}_cpu": number}, jwt_secret="x" * 40, var=tmp_path)
        return SERVICES[service].arguments(settings, folders(tmp_path))["cpu"]

    first = min(os.sched_getaffinity(0))
    assert (cpu(""), cpu(str(first))) == (None, first)
    with pytest.raises(OperatorError, match=f"^HFT_{service.upper()}_CPU=9999: the processors here are {first}"):
        cpu("9999")


def test_the_engine_is_given_its_settings(tmp_path: Path) -> None:
    settings = load(max_unpublished_mb=2, snapshot_seconds=7, busy_poll=True, jwt_secret="x" * 40, var=tmp_path)
    arguments = SERVICES["engine"].arguments(settings, folders(tmp_path))
    assert arguments["market_data"] == "tcp://127.0.0.1:5556"
    assert (arguments["most_unpublished"], arguments["snapshot_seconds"], arguments["busy_poll"]) == (2 << 20, 7, True)


def test_services_are_called_with_what_they_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in alpaca_keys.NAMES:
        monkeypatch.setenv(name, "x")
    settings = load(jwt_secret="x" * 40, var=tmp_path)
    for service in SERVICES.values():
        arguments = service.arguments(settings, folders(tmp_path))
        inspect.signature(import_module(service.module).run).bind(**arguments, ready=print)


def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    text = reference.text(load(jwt_secret="hush", demo_password="hush", postgres_dsn="postgresql://u:hush@h/d"))
    assert "hush" not in text
