"""The table of our own processes, and the workers of which there may be several."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import alpaca_keys, confirmation, services
from infra.errors import OperatorError
from infra.folders import folders
from infra.health import probes
from infra.ports import check_distinct, wanted_ports
from infra.settings import Settings


def test_each_worker_has_a_name_and_a_folder_of_its_own(tmp_path: Path) -> None:
    names = services.workers(Settings(streams_workers=3, var=tmp_path))
    assert names == ["streams", "streams-2", "streams-3"]
    found = [services.find(name) for name in names]
    assert {service.module for service, _ in found} == {"streams.app"}
    assert len({folders(tmp_path, number).streams for _, number in found}) == 3


def test_each_gateway_has_a_name_a_port_and_a_chain_of_its_own(tmp_path: Path) -> None:
    settings = Settings(gateway_replicas=3, gateway_name="desk", metrics_port=9200, var=tmp_path, jwt_secret="x" * 40)
    names = services.gateways(settings)
    assert names == ["gateway", "gateway-2", "gateway-3"]
    told = [service.arguments(settings, folders(tmp_path, number)) for service, number in map(services.find, names)]
    assert [one["port"] for one in told] == [8080, 8081, 8082]
    assert [one["options"].name for one in told] == ["desk", "desk-2", "desk-3"]
    assert settings.gateways == [f"http://127.0.0.1:{one['port']}" for one in told]
    assert probes(settings).keys() > set(names)
    crowded = settings.model_copy(update={"streams_workers": 64, "gateway_replicas": 16})
    check_distinct(wanted_ports(crowded))
    assert len([one for one in wanted_ports(crowded) if one.setting == "HFT_GATEWAY_PORT"]) == 16


@pytest.mark.parametrize("name", ["streams-1", "streams-0", "streams-", "streams-x", "engine-2", "nothing", ""])
def test_what_is_no_service_is_refused(name: str) -> None:
    with pytest.raises(OperatorError, match="there is no service"):
        services.find(name)


def test_alert_thresholds_are_settings(tmp_path: Path) -> None:
    settings = Settings(alert_limit_percent=90, alert_drawdown_percent=2.5, alert_stale_seconds=5)
    thresholds = services.SERVICES["streams"].arguments(settings, folders(tmp_path))["alerts"]
    assert tuple(thresholds) == (900_000, 25_000, 5.0)


def test_without_keys_the_market_is_simulated_and_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in alpaca_keys.NAMES:
        monkeypatch.delenv(name, raising=False)
    settings = Settings(market="alpaca", alpaca_keys=tmp_path / "none", var=tmp_path)
    assert services.market(settings) == ("market", f"the market is simulated: {alpaca_keys.WHERE}")
    for name in alpaca_keys.NAMES:
        monkeypatch.setenv(name, "x")
    assert services.market(settings) == ("alpaca", "")
    assert services.market(Settings(market="none", var=tmp_path)) == (None, "")
    assert services.market(Settings(var=tmp_path)) == ("market", "")


def test_orders_are_routed_where_that_can_be_and_is_confirmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = folders(tmp_path)
    for name in alpaca_keys.NAMES:
        monkeypatch.delenv(name, raising=False)
    assert services.venue(Settings(var=tmp_path), where) == (None, "")
    with pytest.raises(OperatorError, match="needs HFT_MARKET=alpaca or none"):
        services.venue(Settings(venue="alpaca-paper", var=tmp_path), where)
    paper = Settings(
        venue="alpaca-paper", market="none", alpaca_keys=tmp_path / "none", var=tmp_path, jwt_secret="0123456789" * 4
    )
    said = f"orders are not routed, all is simulated: {alpaca_keys.WHERE}"
    assert services.venue(paper, where) == (None, said)
    for name in alpaca_keys.NAMES:
        monkeypatch.setenv(name, "x")
    assert services.venue(paper, where) == ("venue", "")
    live = paper.model_copy(update={"venue": "alpaca-live"})
    with pytest.raises(OperatorError, match="hft venue confirm-live"):
        services.venue(live, where)
    confirmation.write(where.secrets, "123")
    assert services.venue(live, where) == ("venue", "")
    arguments = services.SERVICES["venue"].arguments(live, where)
    assert (arguments["paper"], arguments["confirmed"], arguments["accounts"]) == (False, "123", ["demo"])
