"""Whether the gateway and what it leans on are well."""

from __future__ import annotations

import pytest

from tests.gateway.running import Running, eventually

pytestmark = pytest.mark.integration


def test_everything_is_well(gateway: Running) -> None:
    assert gateway.get("/healthz").json() == {"healthy": True}
    ready = gateway.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    status = gateway.get("/api/status").json()
    assert status["healthy"] is True
    assert sorted(status["services"]) == ["engine", "kafka", "postgres", "redis"]
    assert all(service["healthy"] for service in status["services"].values())
    assert status["last_seq"] > 0


def test_metrics(gateway: Running) -> None:
    gateway.get("/api/status")
    text = gateway.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    for name in (
        'hft_gateway_requests_total{method="GET",route="/api/status",status="200"}',
        'hft_gateway_request_seconds_bucket{le="0.001",method="GET",route="/api/status"}',
        "hft_gateway_sse_clients",
        "hft_gateway_websocket_clients",
        "hft_gateway_hub_lag_seconds",
        "hft_gateway_unreadable_records_total 0.0",
    ):
        assert name in text.text


def test_whether_the_books_add_up_is_a_metric(gateway: Running, account: str) -> None:
    """Found by the publisher's core, now and then, so after commands that it has published."""
    registry = gateway.gateway.metrics.registry
    eventually(lambda: registry.get_sample_value("hft_money_drift_seq"), 120.0)
    assert registry.get_sample_value("hft_money_drift") == 0.0
