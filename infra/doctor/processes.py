"""Our own processes: whether each runs, and whether engine and gateways answer."""

from __future__ import annotations

from collections.abc import Iterator

from infra.doctor.finding import Finding, ok, problem, unknown
from infra.engine_session import session
from infra.errors import OperatorError
from infra.folders import Folders
from infra.health import gateway_answers
from infra.services import gateways
from infra.settings import Settings
from infra.state import State


def findings(settings: Settings, where: Folders, state: State | None) -> Iterator[Finding]:
    """`state`: of the `hft up` that runs in `where`, None where none does."""
    yield processes(state) if state is not None else ok("processes", f"hft up does not run in {where.var}")
    if state is None and not (settings.kafka_bootstrap or settings.engine_address):
        return  # nor does anything else that uses these settings
    for finding in _doors(settings):
        if state is None and finding.verdict == "problem":
            finding = unknown(finding.check, f"{finding.found}; of a unit systemctl status 'hft@*' tells why")
        yield finding


def _doors(settings: Settings) -> Iterator[Finding]:
    yield _engine(settings)
    for name, address in zip(gateways(settings), settings.gateways, strict=True):
        yield gateway(name, address, settings)


def processes(state: State) -> Finding:
    name = "processes"
    down = [service for service in state.services if service.state not in ("ready", "external")]
    often = [f"{service.name} started {service.restarts} times more" for service in state.services if service.restarts]
    if not down:
        return ok(name, "; ".join([f"all {len(state.services)} ready", *often]))
    return problem(
        name,
        ", ".join(f"{service.name} is {service.state}" for service in down),
        "; ".join(filter(None, (service.detail for service in down))) or "what follows from it waits",
        " ; ".join(f"hft logs {service.name}" for service in down),
    )


def _engine(settings: Settings) -> Finding:
    try:
        with session(settings) as client:
            found = client.state_hash()
    except OperatorError as error:
        return problem("engine", str(error), "orders are not taken", "hft logs engine")
    return ok("engine", f"answers at {settings.zeromq.partition('|')[0]}, {found.last_seq:,} commands so far")


def gateway(name: str, address: str, settings: Settings) -> Finding:
    if gateway_answers(address, settings):
        return ok(name, f"answers at {address}")
    return problem(name, f"does not answer at {address}", "no page, no REST, no streams there", f"hft logs {name}")
