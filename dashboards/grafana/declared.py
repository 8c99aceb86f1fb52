"""The dashboards: what each shows, and by which query. `python -m dashboards.grafana` writes them as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dashboards.grafana.panels import WHOLE, board, figure, heat, lines, quantiles, rows, sql_lines

OF_LEG: Final = '{leg="%s"}'
LEG: Final = f"hft_order_leg_seconds{OF_LEG}"


def rate(metric: str, by: str = "", labels: str = "") -> str:
    """A counter's growth a second, over all processes or by a label."""
    grouped = f"sum by ({by}) " if by else "sum"
    return f"{grouped}(rate({metric}{labels}[$__rate_interval]))"


def order_flow() -> Dashboard:
    sections = {
        "Now": [
            figure("Commands", rate("hft_engine_commands_total"), unit="ops"),
            figure("New orders", rate("hft_orders_total"), unit="ops"),
            figure("Refused", rate("hft_orders_total", labels='{outcome="rejected"}'), unit="ops"),
            figure("Fills", rate("hft_fills_total"), unit="ops", about="One for each side of each trade."),
        ],
        "Orders": [
            lines("New orders by type", (rate("hft_orders_total", "order_type"), "{{order_type}}"), unit="ops"),
            lines("New orders by outcome", (rate("hft_orders_total", "outcome"), "{{outcome}}"), unit="ops"),
            lines(
                "Refused orders by reason",
                (rate("hft_orders_total", "reason", '{outcome="rejected"}'), "{{reason}}"),
                unit="ops",
                about="docs/reasons.md says what each means.",
            ),
            lines("Execution reports", (rate("hft_order_reports_total", "exec_type"), "{{exec_type}}"), unit="ops"),
        ],
        "Trades": [
            lines("Fills by symbol", (rate("hft_fills_total", "symbol"), "{{symbol}}"), unit="ops"),
            lines("Turnover", (rate("hft_traded_notional_total", "symbol, currency"), "{{symbol}} {{currency}}")),
        ],
        "Doors": [
            lines(
                "Commands in a batch",
                (f"{rate('hft_engine_commands_total')} / {rate('hft_engine_batches_total')}", "mean"),
                about="What the engine journals as one frame: it grows with the load.",
            ),
            lines(
                "REST requests",
                (rate("hft_gateway_requests_total", "route, status"), "{{route}} {{status}}"),
                unit="reqps",
            ),
        ],
        "Latest": [
            rows(
                "Orders",
                """SELECT created_at AS time, account, symbol, side, order_type, quantity, price, status, filled_qty,
                remaining_qty, reason, source FROM orders WHERE $__timeFilter(created_at)
                ORDER BY order_id DESC LIMIT 100""",
            ),
        ],
    }
    return board("order-flow", "order flow", "What comes in, and what becomes of it.", sections)


def latency() -> Dashboard:
    legs = {
        "ingress_to_matched": "Engine: arrived to matched",
        "ingress_to_sequenced": "Arrived to sequenced",
        "sequenced_to_journaled": "Journal",
        "journaled_to_matched": "Checks and matching",
        "sequenced_to_published": "Sequenced to acknowledged by Kafka",
        "sequenced_to_positions": "Sequenced to the position in Kafka",
        "sequenced_to_sse": "Sequenced to handed to an SSE client",
    }
    whole = ("ingress_to_matched", "sequenced_to_published", "sequenced_to_positions", "sequenced_to_sse")
    sections = {
        "p99 now": [
            figure(
                legs[leg],
                f"histogram_quantile(0.99, {rate('hft_order_leg_seconds_bucket', 'le', OF_LEG % leg)})",
                unit="s",
            )
            for leg in whole
        ],
        "Quantiles": [quantiles(title, LEG % leg) for leg, title in legs.items()],
        "How they are spread": [heat(legs[leg], LEG % leg) for leg in whole],
        "Requests": [
            quantiles("REST: head to head", "hft_gateway_request_seconds", about="Streams are not among them."),
            lines(
                "Garbage collection, p99 since the start",
                ("histogram_quantile(0.99, sum by (le, process) (hft_gc_pause_seconds_bucket))", "{{process}}"),
                unit="s",
                about="Of each process; it is too rare for a rate.",
            ),
        ],
    }
    about = "How long each leg of a command's way takes; docs/metrics.md says from where to where."
    return board("latency", "latency", about, sections)


def books() -> Dashboard:
    def of_account(metric: str) -> tuple[str, str]:
        return f"max by (account, currency) ({metric})", "{{account}} {{currency}}"

    sections = {
        "Accounts": [
            lines("Equity", of_account("hft_account_equity")),
            lines("Unrealized P&L", of_account("hft_account_unrealized_pnl")),
            lines("Realized P&L", of_account("hft_account_realized_pnl")),
            lines("Fees", of_account("hft_account_fees")),
            lines("Gross exposure", of_account("hft_account_gross_exposure")),
            lines("Net exposure", of_account("hft_account_net_exposure")),
            lines("Drawdown", of_account("hft_account_drawdown")),
            lines("Positions", ("max by (account, symbol) (hft_position_quantity)", "{{account}} {{symbol}}")),
        ],
        "History": [
            sql_lines(
                "Equity by the minute",
                """SELECT bucket AS time, account AS metric, equity FROM pnl_1m WHERE $__timeFilter(bucket)
                ORDER BY bucket""",
                width=WHOLE,
            ),
            rows(
                "Positions",
                """SELECT account, symbol, quantity, average_price, realized_pnl, fees, last_price, updated_at
                FROM positions WHERE quantity <> 0 ORDER BY account, symbol LIMIT 500""",
            ),
            rows(
                "Latest fills",
                """SELECT timestamp AS time, account, symbol, side, fill_qty, fill_price, fee, liquidity, strategy
                FROM executions WHERE $__timeFilter(timestamp) ORDER BY id DESC LIMIT 100""",
            ),
        ],
    }
    return board("books", "positions and P&L", "What accounts hold, and what it is worth.", sections)


def market() -> Dashboard:
    def of_symbol(metric: str) -> tuple[str, str]:
        return f"max by (symbol) ({metric})", "{{symbol}}"

    sections = {
        "Books": [
            lines("Middle", of_symbol("hft_book_mid_price")),
            lines("Spread", of_symbol("hft_book_spread")),
            lines("Depth", ("max by (symbol, side) (hft_book_depth_quantity)", "{{symbol}} {{side}}")),
            lines("At the best price", ("max by (symbol, side) (hft_book_best_quantity)", "{{symbol}} {{side}}")),
            lines(
                "Age of the book",
                ("time() - max by (symbol) (hft_book_timestamp_seconds)", "{{symbol}}"),
                unit="s",
                about="Since the last command that changed it.",
            ),
            lines("Units traded", (rate("hft_traded_quantity_total", "symbol"), "{{symbol}}"), unit="ops"),
        ],
        "History": [
            sql_lines(
                "Close of each minute",
                """SELECT bucket AS time, symbol AS metric, close FROM candles_1m WHERE $__timeFilter(bucket)
                ORDER BY bucket""",
            ),
            sql_lines(
                "Volume of each minute",
                """SELECT bucket AS time, symbol AS metric, volume FROM candles_1m WHERE $__timeFilter(bucket)
                ORDER BY bucket""",
            ),
            rows(
                "Latest trades",
                """SELECT timestamp AS time, symbol, price, quantity, aggressor_side FROM trades
                WHERE $__timeFilter(timestamp) ORDER BY id DESC LIMIT 100""",
            ),
        ],
    }
    return board("market", "market", "Books and trades of every instrument.", sections)


def system() -> Dashboard:
    sections = {
        "Processes": [
            lines("Tells its metrics", ('up{job="hft"}', "{{process}}"), about="1: yes. 0: dead, or starting."),
            lines(
                "Starts",
                ('changes(process_start_time_seconds{job="hft"}[1h])', "{{process}}"),
                about="In the last hour, the first one aside.",
            ),
            lines("Processor", (rate("process_cpu_seconds_total", "process", '{job="hft"}'), "{{process}}")),
            lines("Memory", ('process_resident_memory_bytes{job="hft"}', "{{process}}"), unit="bytes"),
            lines("Open files", ('process_open_fds{job="hft"}', "{{process}}")),
            lines(
                "Time in garbage collection",
                (rate("hft_gc_pause_seconds_sum", "process"), "{{process}}"),
                unit="percentunit",
            ),
        ],
        "Disk and doors": [
            lines(
                "Journal",
                ("sum(hft_journal_bytes)", "all of it"),
                ("sum(hft_journal_unpublished_bytes)", "not in Kafka"),
                unit="bytes",
            ),
            lines("Room on the journal's disk", ("min(hft_journal_free_bytes)", "left"), unit="bytes"),
            lines(
                "Orders are refused",
                ("max(hft_engine_journal_full)", "the disk is full"),
                ("max(hft_engine_busy)", "Kafka is too far behind"),
                about="1: yes. Cancels are still taken.",
            ),
            lines(
                "Clients",
                ("sum(hft_gateway_sse_clients)", "SSE"),
                ("sum(hft_gateway_websocket_clients)", "WebSocket"),
            ),
            lines("Events sent to clients", (rate("hft_gateway_events_sent_total", "feed"), "{{feed}}"), unit="ops"),
        ],
    }
    return board("system", "system health", "Processes, memory, disk, clients.", sections)


def pipeline() -> Dashboard:
    sections = {
        "Data quality": [
            figure("Audit differences", "sum(hft_audit_differences)", about="Topics, engine and stores agree: 0."),
            figure("Money drift", "max(hft_money_drift)", about="What must be zero in the engine's own books."),
            figure("Dead letters", "sum(hft_dead_letters_total) or vector(0)", about="Since the processes started."),
            figure("Last audit", "time() - max(hft_audit_timestamp_seconds)", unit="s", about="How long ago."),
        ],
        "Behind": [
            lines("Journal not in Kafka", ("sum(hft_journal_unpublished_bytes)", "bytes"), unit="bytes"),
            lines("Commands not in Kafka", ("max(hft_engine_last_seq) - max(hft_engine_committed_seq)", "commands")),
            lines("Records not read", ("sum by (consumer) (hft_consumer_lag_records)", "{{consumer}}")),
            lines("Records not read, by topic", ("sum by (topic) (hft_consumer_lag_records)", "{{topic}}")),
            lines("Sinks", ("max by (sink) (hft_sink_lag_seconds)", "{{sink}}"), unit="s"),
            lines("Publisher's queue", ("sum(hft_publisher_queue_records)", "records")),
        ],
        "Flow": [
            lines("Records read", (rate("hft_consumer_records_total", "consumer"), "{{consumer}}"), unit="ops"),
            lines(
                "Records read at once",
                (
                    f"{rate('hft_consumer_batch_records_sum', 'consumer')} / "
                    f"{rate('hft_consumer_batch_records_count', 'consumer')}",
                    "{{consumer}}",
                ),
            ),
            lines("Rows stored", (rate("hft_sink_rows_total", "sink"), "{{sink}}"), unit="ops"),
            quantiles("Writing a batch to Postgres", 'hft_sink_write_seconds{sink="postgres"}'),
        ],
        "Stores": [
            rows(
                "Where the Postgres sink has read to",
                "SELECT topic, partition, next_offset FROM sink_cursors WHERE sink = 'postgres' ORDER BY 1, 2",
            ),
        ],
    }
    return board("pipeline", "pipeline lag and data quality", "Whether everything arrives, and agrees.", sections)


BOARDS: Final[dict[str, Callable[[], Dashboard]]] = {
    "order-flow": order_flow,
    "latency": latency,
    "books": books,
    "market": market,
    "system": system,
    "pipeline": pipeline,
}
