"""Generated requests against the OpenAPI document: no answer is a server error, and none is undocumented.

    make fuzz-api CASES=100000

starts a system of its own, since what is generated also throws kill switches and deletes users. HFT_SEED repeats a
run."""

from __future__ import annotations

import os
import random
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.generation import GenerationMode

from gateway.operations import OPERATIONS
from tests.gateway.running import Running, running
from tests.system import System, running_system

CASES = int(os.environ.get("CASES", "5000"))
SEED = int(os.environ.get("HFT_SEED", "1"))
STREAM = "/api/stream"
FUZZED = [operation for operation in OPERATIONS if operation.path != STREAM]
"""A stream does not end; its own tests read it."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
MARGIN = 1.1
"""Some routes have fewer different requests than their share."""
SYMBOLS = ("AAPL", "MSFT", "BTCUSD", "NOPE")
counts: Counter[int] = Counter()


@pytest.fixture(scope="module")
def own_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("fuzz") / "var") as system:
        yield system


@pytest.fixture(scope="module")
def api(own_system: System) -> Iterator[Running]:
    with running(own_system, orders_per_second=100_000, requests_per_second=100_000) as gateway:
        yield gateway.wait_ready()


@pytest.fixture(scope="module")
def schema(api: Running) -> Any:
    return schemathesis.openapi.from_url(f"{api.url}/openapi.json")


def varies(operation: Any) -> bool:
    """Whether there is more than one request of it."""
    return bool(operation.body is not None or operation.parameters)


def requests_of(operation: Any, known: Any) -> st.SearchStrategy[Any]:
    """Such as the document allows, and, where there is anything to break, such as it does not."""
    allowed = known.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if not varies(operation):
        return allowed
    return st.one_of(allowed, known.as_strategy(generation_mode=GenerationMode.NEGATIVE))


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("operation", FUZZED, ids=lambda one: f"{one.method} {one.path}")
def test_every_answer_is_documented(operation: Any, api: Running, schema: Any) -> None:
    cases = 1 + int(MARGIN * CASES / sum(varies(one) for one in FUZZED))
    chance = random.Random(f"{SEED} {operation.method} {operation.path}")
    known = schema[operation.path][operation.method]

    @seed(SEED)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=requests_of(operation, known))
    def run(case: Any) -> None:
        role = chance.choice(("admin", "admin", "trader", "risk", "viewer"))
        token = api.token("demo", role=role, session=uuid.uuid4().hex)
        if isinstance(case.body, dict) and "symbol" in case.body and chance.random() < 0.7:
            case.body["symbol"] = chance.choice(SYMBOLS)
        if case.path_parameters and "symbol" in case.path_parameters and chance.random() < 0.7:
            case.path_parameters["symbol"] = chance.choice(SYMBOLS)
        headers = {} if chance.random() < 0.03 else {"Authorization": f"Bearer {token}"}
        response = case.call(headers=headers, timeout=30)
        counts[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    run()


def test_something_of_everything_was_answered(record_property: pytest.RecordProperty) -> None:
    answered = ", ".join(f"{status}: {number:,}" for status, number in sorted(counts.items()))
    sys.stdout.write(f"\n{sum(counts.values()):,} cases: {answered}\n")
    assert sum(counts.values()) >= CASES
    assert not [status for status in counts if status >= 500]
    assert {200, 201, 401, 403, 422} <= set(counts)
