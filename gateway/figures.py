"""Positions, P&L, exposure and books, as Prometheus asks for them: made of what the hub holds when somebody scrapes.

They are told at the process's own metrics port only (`HFT_METRICS_HOST`), not at the gateway's /metrics, which anybody
may read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

import msgspec
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.messages import Book, Pnl, Position
from gateway.channels import BOOK, PNL, POSITIONS
from gateway.hub import Hub

MOST: Final = 5_000
"""Of each kind: Prometheus keeps every series apart, and each costs it a few kilobytes. What is left out is counted."""

_position: Final = msgspec.json.Decoder(Position)
_pnl: Final = msgspec.json.Decoder(Pnl)
_book: Final = msgspec.json.Decoder(Book)

OF_POSITION: Final[Mapping[str, tuple[str, str]]] = {
    "quantity": ("hft_position_quantity", "Units held; negative: short."),
    "realized_pnl": ("hft_position_realized_pnl", "Realized P&L in the instrument's currency, before fees."),
}
OF_PNL: Final[Mapping[str, tuple[str, str]]] = {
    "equity": ("hft_account_equity", "Deposits and P&L less fees, in the account's currency."),
    "realized_pnl": ("hft_account_realized_pnl", "Realized P&L in the account's currency, before fees."),
    "unrealized_pnl": ("hft_account_unrealized_pnl", "Unrealized P&L in the account's currency."),
    "fees": ("hft_account_fees", "Fees paid in the account's currency."),
    "drawdown": ("hft_account_drawdown", "What the equity has lost since its peak, in the account's currency."),
    "gross_exposure": ("hft_account_gross_exposure", "Sum of the sizes of all positions at their marks."),
    "net_exposure": ("hft_account_net_exposure", "Sum of all positions at their marks, short ones negative."),
}


class Figures(Collector):
    """Reads the hub's state from the thread that answers the scrape."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def describe(self) -> Iterator[Metric]:
        """Nothing is asked while the hub is not there yet."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        left_out = GaugeMetricFamily(
            "hft_metrics_left_out", f"Positions, accounts or books beyond the {MOST:,} that are told.", labels=["kind"]
        )
        positions, accounts, books = (
            self._records(feed.name, decoder, left_out)
            for feed, decoder in ((POSITIONS, _position), (PNL, _pnl), (BOOK, _book))
        )
        for field, (name, text) in OF_POSITION.items():
            family = GaugeMetricFamily(name, text, labels=["account", "symbol"])
            for record in positions:
                family.add_metric([record.account, record.symbol], float(getattr(record, field)))
            yield family
        for field, (name, text) in OF_PNL.items():
            family = GaugeMetricFamily(name, text, labels=["account", "currency"])
            for record in accounts:
                family.add_metric([record.account, record.currency], float(getattr(record, field)))
            yield family
        yield from _of_books(books)
        yield left_out

    def _records(self, feed: str, decoder: msgspec.json.Decoder[Any], left_out: GaugeMetricFamily) -> list[Any]:
        """Up to MOST of the feed's latest records. The loop may add a key meanwhile: then it is looked again."""
        while True:
            latest = self._hub.state.latest[feed]
            try:
                values = list(islice(latest.values(), MOST))
                break
            except RuntimeError:
                continue
        left_out.add_metric([feed], max(0, len(latest) - MOST))
        return [decoder.decode(value) for value in values]


def _of_books(books: list[Book]) -> Iterator[Metric]:
    spread = GaugeMetricFamily("hft_book_spread", "Best ask less best bid, in the currency.", labels=["symbol"])
    middle = GaugeMetricFamily("hft_book_mid_price", "Middle of best bid and best ask.", labels=["symbol"])
    depth = GaugeMetricFamily(
        "hft_book_depth_quantity", "Units in the published levels (20 at most).", labels=["symbol", "side"]
    )
    best = GaugeMetricFamily("hft_book_best_quantity", "Units at the best price.", labels=["symbol", "side"])
    updated = GaugeMetricFamily(
        "hft_book_timestamp_seconds", "When the last command before the book was sequenced, since the epoch.",
        labels=["symbol"],
    )  # fmt: skip
    for book in books:
        if book.bids and book.asks:
            bid, ask = float(book.bids[0][0]), float(book.asks[0][0])
            spread.add_metric([book.symbol], ask - bid)
            middle.add_metric([book.symbol], (ask + bid) / 2)
        for side, levels in (("buy", book.bids), ("sell", book.asks)):
            depth.add_metric([book.symbol, side], sum(float(quantity) for _, quantity, _ in levels))
            best.add_metric([book.symbol, side], float(levels[0][1]) if levels else 0.0)
        updated.add_metric([book.symbol], book.ts_ns / 1e9)
    yield from (spread, middle, depth, best, updated)
