-- Every execution report, indexes for the queries that there are, and candles and P&L by the minute. Expand only: what an
-- older program reads and writes stays right.

CREATE TABLE order_events (
    id bigint NOT NULL,
    exec_id text NOT NULL,
    exec_type text NOT NULL,
    status text NOT NULL,
    order_id bigint NOT NULL,
    client_order_id text NOT NULL,
    orig_client_order_id text,
    list_id bigint,
    account text NOT NULL,
    symbol text NOT NULL,
    side text,
    order_type text,
    time_in_force text,
    quantity numeric NOT NULL,
    price numeric,
    stop_price numeric,
    filled_qty numeric NOT NULL,
    remaining_qty numeric NOT NULL,
    average_price numeric,
    last_qty numeric,
    last_price numeric,
    liquidity text,
    fee numeric,
    reason text,
    field text,
    text text,
    strategy text,
    source text NOT NULL,
    seq bigint NOT NULL,
    index integer NOT NULL,
    timestamp timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    transact_ns bigint NOT NULL,
    PRIMARY KEY (id, timestamp)
);
CREATE INDEX order_events_of_order ON order_events (order_id);
CREATE INDEX order_events_by_time ON order_events USING brin (timestamp);

-- Lists are read by account or symbol, newest first, which is by descending id. The indexes that go served no query, and
-- each cost the sink its upkeep; what orders_working held, orders_still_working has.
CREATE INDEX executions_of_account_by_id ON executions (account, id DESC);
DROP INDEX executions_of_account;
DROP INDEX executions_of_account_and_symbol;
DROP INDEX executions_of_order;
CREATE INDEX trades_of_symbol_by_id ON trades (symbol, id DESC);
DROP INDEX trades_of_symbol;
DROP INDEX trades_of_symbol_by_event;
DROP INDEX orders_of_symbol;
DROP INDEX orders_working;

ALTER TABLE position_history ADD COLUMN strategies jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN position_history.strategies IS 'the own positions of the strategies that the record changes';
ALTER TABLE pnl ADD COLUMN strategies jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN pnl.strategies IS 'strategy → what it has earned';

-- With TimescaleDB Community continuous aggregates take the place of these views (timescaledb/community.sql): the same
-- names and columns. Intervals go by the engine's own time, in UTC; the order within one goes by id, as the engine
-- traded.
CREATE VIEW candles_1m AS
    SELECT symbol,
           date_bin('1 minute', timestamp, '2000-01-01 00:00:00+00') AS bucket,
           (array_agg(price ORDER BY id))[1] AS open,
           max(price) AS high,
           min(price) AS low,
           (array_agg(price ORDER BY id DESC))[1] AS close,
           sum(quantity) AS volume,
           count(*) AS trades
    FROM trades
    GROUP BY 1, 2;

CREATE VIEW candles_1h AS
    SELECT symbol,
           date_bin('1 hour', timestamp, '2000-01-01 00:00:00+00') AS bucket,
           (array_agg(price ORDER BY id))[1] AS open,
           max(price) AS high,
           min(price) AS low,
           (array_agg(price ORDER BY id DESC))[1] AS close,
           sum(quantity) AS volume,
           count(*) AS trades
    FROM trades
    GROUP BY 1, 2;

CREATE VIEW pnl_1m AS
    SELECT account,
           date_bin('1 minute', timestamp, '2000-01-01 00:00:00+00') AS bucket,
           (array_agg(equity ORDER BY id DESC))[1] AS equity,
           (array_agg(realized_pnl ORDER BY id DESC))[1] AS realized_pnl,
           (array_agg(unrealized_pnl ORDER BY id DESC))[1] AS unrealized_pnl,
           (array_agg(fees ORDER BY id DESC))[1] AS fees,
           max(drawdown) AS worst_drawdown,
           (array_agg(gross_exposure ORDER BY id DESC))[1] AS gross_exposure,
           (array_agg(net_exposure ORDER BY id DESC))[1] AS net_exposure
    FROM pnl
    GROUP BY 1, 2;
