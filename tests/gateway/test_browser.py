"""JSON as browsers get it."""

from __future__ import annotations

import pytest

from gateway import browser


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (b'{"ts_ns":1795464328473258235}', b'{"ts_ns":"1795464328473258235"}'),
        (b'{"a":1,"transact_ns":0,"b":2}', b'{"a":1,"transact_ns":"0","b":2}'),
        (b'{"marks":{"AAPL":{"created_ns":-5}}}', b'{"marks":{"AAPL":{"created_ns":"-5"}}}'),
        (b'{"ts_ns":null}', b'{"ts_ns":null}'),
        (b'{"seq":12}', b'{"seq":12}'),
        (rb'{"text":"say \"x_ns\":1"}', rb'{"text":"say \"x_ns\":1"}'),
    ],
)
def test_nanoseconds_become_strings(given: bytes, shown: bytes) -> None:
    assert browser.quoted(given) == shown


def test_a_list_of_records() -> None:
    assert browser.listed("trades", [b"{}", b"[]"]) == b'{"trades":[{},[]]}'
    assert browser.listed("trades", []) == b'{"trades":[]}'
