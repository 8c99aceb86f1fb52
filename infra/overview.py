"""What an operator wants to know at a glance, made of the metrics of all processes: for `hft status` and `hft top`."""

from __future__ import annotations

from typing import Final, NamedTuple

from infra.scrape import Scrape, duration_text, increase, quantile

LEG: Final = "hft_order_leg_seconds"
LEGS: Final = (
    ("ingress_to_matched", "engine"),
    ("sequenced_to_published", "Kafka"),
    ("sequenced_to_positions", "positions"),
    ("sequenced_to_sse", "SSE"),
)
"""The legs that are shown, and what each is called: until when, since the command came in or was sequenced."""
PARTS: Final = (0.5, 0.95, 0.99, 0.999)
FAR_RECORDS: Final = 10_000
FAR_BYTES: Final = 64 << 20
LITTLE_BYTES: Final = 5 * 10**9
"""Of room on the journal's disk: about a million orders (docs/capacity.md)."""


class Latency(NamedTuple):
    name: str
    quantiles: tuple[float | None, ...]
    """Seconds, of `PARTS`."""


class Position(NamedTuple):
    account: str
    symbol: str
    quantity: float


class Account(NamedTuple):
    account: str
    equity: float
    unrealized: float
    exposure: float


class Overview(NamedTuple):
    """Rates are per second between two scrapes, None before there are two."""

    commands: float | None
    orders: float | None
    rejected: float | None
    fills: float | None
    records: float | None
    """Kafka records read by all consumers."""
    rows: float | None
    """Written by the sinks."""
    latencies: list[Latency]
    unpublished: float | None
    """Bytes of journal."""
    lags: dict[str, float]
    """Consumer → records."""
    accounts: list[Account]
    positions: list[Position]
    alerts: list[str]


def latencies(now: Scrape, before: Scrape | None) -> list[Latency]:
    """Of what came between two scrapes; of everything where there is one only."""
    found = []
    for leg, name in LEGS:
        seen = now.buckets(LEG, leg=leg)
        old = before.buckets(LEG, leg=leg) if before is not None else None
        found.append(Latency(name, tuple(quantile(part, seen, old) for part in PARTS)))
    return found


def overview(now: Scrape, before: Scrape | None, most: int = 12) -> Overview:
    """`most`: positions and accounts, the largest first."""
    equity, unrealized, exposure = (
        now.told(name, "account")
        for name in ("hft_account_equity", "hft_account_unrealized_pnl", "hft_account_gross_exposure")
    )
    accounts = [
        Account(name, value, unrealized.get((name,), 0.0), exposure.get((name,), 0.0))
        for (name,), value in equity.items()
    ]
    positions = [
        Position(account, symbol, quantity)
        for (account, symbol), quantity in now.told("hft_position_quantity", "account", "symbol").items()
        if quantity
    ]
    return Overview(
        commands=increase("hft_engine_commands_total", now, before),
        orders=increase("hft_orders_total", now, before),
        rejected=increase("hft_orders_total", now, before, outcome="rejected"),
        fills=increase("hft_fills_total", now, before),
        records=increase("hft_consumer_records_total", now, before),
        rows=increase("hft_sink_rows_total", now, before),
        latencies=latencies(now, before),
        unpublished=now.total("hft_journal_unpublished_bytes"),
        lags=now.by("hft_consumer_lag_records", "consumer"),
        accounts=sorted(accounts, key=lambda one: -one.exposure)[:most],
        positions=sorted(positions, key=lambda one: -abs(one.quantity))[:most],
        alerts=alerts(now),
    )


def alerts(now: Scrape) -> list[str]:
    """What should not be as it is, in words; the rules of dashboards/grafana/alerts.yaml watch the same without end."""
    found = [f"{process} does not tell its metrics" for process in now.silent]
    if now.total("hft_engine_journal_full"):
        found.append("the disk takes no more of the journal: new orders are refused")
    elif (free := now.total("hft_journal_free_bytes")) is not None and free < LITTLE_BYTES:
        found.append(f"the journal's disk has {free / 1e9:.1f} GB left")
    if now.total("hft_engine_busy"):
        found.append("Kafka is too far behind the journal: new orders are refused")
    if (now.total("hft_journal_unpublished_bytes") or 0) > FAR_BYTES:
        found.append("more than 64 MB of the journal are not in Kafka yet")
    for consumer, records in sorted(now.by("hft_consumer_lag_records", "consumer").items()):
        if records > FAR_RECORDS:
            found.append(f"{consumer} is {records:,.0f} records behind")
    if differences := now.total("hft_audit_differences"):
        found.append(f"the audit finds {differences:.0f} differences between topics, engine and stores")
    for _, sample in now.matching("hft_money_drift"):
        if sample.value == sample.value and sample.value:
            found.append(f"the books of account are off by {sample.value:.0f}")
    if letters := now.total("hft_dead_letters_total"):
        found.append(f"{letters:.0f} records were set aside as dead letters since the processes started")
    return found


def status_lines(now: Scrape) -> list[str]:
    """Latency and lag in a line each, of all that the processes have seen since they started."""
    shown = [
        f"{name} {duration_text(quantiles[0])} p50, {duration_text(quantiles[2])} p99"
        for name, quantiles in latencies(now, None)
        if quantiles[0] is not None
    ]
    lags = sum(now.by("hft_consumer_lag_records", "consumer").values())
    unpublished = (now.total("hft_journal_unpublished_bytes") or 0) / 1e6
    return [
        f"latency: {'; '.join(shown) if shown else 'no order yet'}",
        f"behind: {unpublished:.1f} MB of journal not in Kafka, {lags:,.0f} records not read",
    ]
