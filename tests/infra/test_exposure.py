"""Beyond loopback nothing starts that anybody could guess the way into."""

from __future__ import annotations

from typing import Any

import pytest

from infra import exposure
from infra.errors import OperatorError
from infra.settings import Settings


def settings(**changes: Any) -> Settings:
    return Settings(_env_file=None, **changes)  # type: ignore[call-arg]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_takes_the_demo(host: str) -> None:
    exposure.check(settings(host=host, demo_password="demo"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "trade.example.com"])
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, "HFT_DEMO_PASSWORD"),
        ({"demo_password": "Demo"}, "HFT_DEMO_PASSWORD"),
        ({"demo_password": "ninechars"}, "HFT_DEMO_PASSWORD"),
        ({"demo_password": "", "jwt_secret": "a" * 40}, "HFT_JWT_SECRET"),
        ({"demo_password": "", "jwt_secret": "secret" * 8}, "HFT_JWT_SECRET"),
    ],
    ids=str,
)
def test_beyond_it_nothing_may_be_guessed(host: str, changes: dict[str, str], named: str) -> None:
    with pytest.raises(OperatorError, match=named):
        exposure.check(settings(host=host, **changes))


def test_beyond_it_with_passwords_of_ones_own() -> None:
    exposure.check(settings(host="0.0.0.0", demo_password=""))
    exposure.check(settings(host="0.0.0.0", demo_password="correct horse", jwt_secret="0f9c8b7a6d5e4f3a" * 3))


@pytest.mark.parametrize("half", [{"tls_certificate": "x.pem"}, {"tls_key": "x.pem"}])
def test_half_of_tls_is_refused(half: dict[str, str]) -> None:
    with pytest.raises(OperatorError, match="HFT_TLS_CERTIFICATE and HFT_TLS_KEY"):
        exposure.check(settings(**half))
