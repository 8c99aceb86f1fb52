from __future__ import annotations

from pathlib import Path

import pytest

from infra import reference
from infra.errors import OperatorError
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
        ("HFT_MARKET", "bull", "HFT_MARKET=bull: input should be 'simulated' or 'none'"),
    ],
)
def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(OperatorError) as failure:
        load()
    assert str(failure.value).startswith(message)
    assert "\n" not in str(failure.value)


def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    text = reference.text(load(jwt_secret="hush", demo_password="hush", postgres_dsn="postgresql://u:hush@h/d"))
    assert "hush" not in text
