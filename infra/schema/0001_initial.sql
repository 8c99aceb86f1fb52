-- The history of everything, as the sink writes it (streams/sinks). docs/sql.md says which field of which message each
-- column is.
--
-- Prices, quantities and money are exact (NUMERIC). Every stamp is there twice: as the engine's nanoseconds (*_ns) and as
-- TIMESTAMPTZ in microseconds. Keys of histories hold the time column, as a hypertable's must.

CREATE FUNCTION from_ns(ns bigint) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN timestamptz 'epoch' + (ns / 1000) * interval '1 microsecond';

CREATE TABLE users (
    username text PRIMARY KEY,
    password_hash text NOT NULL,
    role text NOT NULL CHECK (role IN ('viewer', 'trader', 'risk', 'admin', 'service')),
    accounts text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL UNIQUE,
    client_order_id text,
    account text NOT NULL,
    symbol text NOT NULL,
    side text,
    quantity numeric NOT NULL,
    price numeric,
    order_type text,
    time_in_force text,
    status text NOT NULL,
    filled_qty numeric NOT NULL,
    remaining_qty numeric NOT NULL,
    average_price numeric,
    reason text,
    field text,
    text text,
    strategy text,
    source text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_ns bigint NOT NULL,
    updated_ns bigint NOT NULL,
    last_seq bigint NOT NULL,
    last_index integer NOT NULL,
    UNIQUE (account, client_order_id)
);
COMMENT ON COLUMN orders.client_order_id IS
    'null where the sender gave none, and on a rejected order whose id an order of the account has taken';
CREATE INDEX orders_of_account ON orders (account, order_id DESC);
CREATE INDEX orders_of_symbol ON orders (symbol, order_id DESC);
CREATE INDEX orders_working ON orders (account, order_id DESC) WHERE status IN ('new', 'partially_filled');
CREATE INDEX orders_rejected ON orders (account, client_order_id) WHERE status = 'rejected';

CREATE TABLE executions (
    id bigint NOT NULL,
    order_id bigint NOT NULL,
    client_order_id text NOT NULL,
    account text NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL,
    fill_price numeric NOT NULL,
    fill_qty numeric NOT NULL,
    fee numeric NOT NULL,
    liquidity text NOT NULL,
    trade_id text NOT NULL,
    fill_id text NOT NULL,
    strategy text,
    seq bigint NOT NULL,
    index integer NOT NULL,
    timestamp timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    transact_ns bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, timestamp)
);
CREATE INDEX executions_of_account ON executions (account, seq DESC, index DESC);
CREATE INDEX executions_of_account_and_symbol ON executions (account, symbol, seq DESC, index DESC);
CREATE INDEX executions_of_order ON executions (order_id);
CREATE INDEX executions_by_time ON executions USING brin (timestamp);

CREATE TABLE trades (
    id bigint NOT NULL,
    trade_id text NOT NULL,
    symbol text NOT NULL,
    price numeric NOT NULL,
    quantity numeric NOT NULL,
    aggressor_side text,
    hidden boolean NOT NULL,
    seq bigint NOT NULL,
    index integer NOT NULL,
    timestamp timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    transact_ns bigint NOT NULL,
    event_ns bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, timestamp)
);
COMMENT ON COLUMN trades.event_ns IS 'transact_ns, or ts_ns where that is 0: the time that candles go by';
CREATE INDEX trades_of_symbol ON trades (symbol, seq DESC, index DESC);
CREATE INDEX trades_of_symbol_by_event ON trades (symbol, event_ns DESC);
CREATE INDEX trades_by_time ON trades USING brin (timestamp);

CREATE TABLE positions (
    account text NOT NULL,
    symbol text NOT NULL,
    quantity numeric NOT NULL,
    average_price numeric,
    cost numeric NOT NULL,
    realized_pnl numeric NOT NULL,
    fees numeric NOT NULL,
    bought_quantity numeric NOT NULL,
    sold_quantity numeric NOT NULL,
    last_price numeric NOT NULL,
    last_seq bigint NOT NULL,
    last_index integer NOT NULL,
    ts_ns bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (account, symbol)
);

CREATE TABLE position_history (
    account text NOT NULL,
    symbol text NOT NULL,
    quantity numeric NOT NULL,
    average_price numeric,
    cost numeric NOT NULL,
    realized_pnl numeric NOT NULL,
    fees numeric NOT NULL,
    last_price numeric NOT NULL,
    last_seq bigint NOT NULL,
    last_index integer NOT NULL,
    timestamp timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    PRIMARY KEY (account, symbol, last_seq, last_index, timestamp)
);
CREATE INDEX position_history_by_time ON position_history USING brin (timestamp);

CREATE TABLE pnl (
    id bigint NOT NULL,
    account text NOT NULL,
    currency text NOT NULL,
    deposits numeric NOT NULL,
    realized_pnl numeric NOT NULL,
    unrealized_pnl numeric NOT NULL,
    fees numeric NOT NULL,
    equity numeric NOT NULL,
    peak_equity numeric NOT NULL,
    drawdown numeric NOT NULL,
    gross_exposure numeric NOT NULL,
    net_exposure numeric NOT NULL,
    last_seq bigint NOT NULL,
    timestamp timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    PRIMARY KEY (id, timestamp)
);
CREATE INDEX pnl_of_account ON pnl (account, timestamp DESC);
CREATE INDEX pnl_by_time ON pnl USING brin (timestamp);

CREATE TABLE sink_cursors (
    sink text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (sink, topic, partition)
);
