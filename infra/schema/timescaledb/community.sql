-- TimescaleDB Community only: compression after a week, and continuous aggregates in place of the views of 0003. Run once,
-- in one transaction, when a database is first met with that edition.

ALTER TABLE executions SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol', timescaledb.compress_orderby = 'timestamp, id');
SELECT add_compression_policy('executions', INTERVAL '7 days', if_not_exists => true);
ALTER TABLE trades SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol', timescaledb.compress_orderby = 'timestamp, id');
SELECT add_compression_policy('trades', INTERVAL '7 days', if_not_exists => true);
ALTER TABLE order_events SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol', timescaledb.compress_orderby = 'timestamp, id');
SELECT add_compression_policy('order_events', INTERVAL '7 days', if_not_exists => true);
ALTER TABLE position_history SET (timescaledb.compress, timescaledb.compress_segmentby = 'account, symbol', timescaledb.compress_orderby = 'timestamp, last_seq, last_index');
SELECT add_compression_policy('position_history', INTERVAL '7 days', if_not_exists => true);
ALTER TABLE pnl SET (timescaledb.compress, timescaledb.compress_segmentby = 'account', timescaledb.compress_orderby = 'timestamp, id');
SELECT add_compression_policy('pnl', INTERVAL '7 days', if_not_exists => true);
ALTER TABLE order_flow SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol', timescaledb.compress_orderby = 'timestamp, id');
SELECT add_compression_policy('order_flow', INTERVAL '7 days', if_not_exists => true);
ALTER TABLE alerts SET (timescaledb.compress, timescaledb.compress_orderby = 'timestamp, id');
SELECT add_compression_policy('alerts', INTERVAL '7 days', if_not_exists => true);

DROP VIEW candles_1m;
CREATE MATERIALIZED VIEW candles_1m WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
    SELECT symbol,
           time_bucket(INTERVAL '1 minute', timestamp) AS bucket,
           first(price, id) AS open,
           max(price) AS high,
           min(price) AS low,
           last(price, id) AS close,
           sum(quantity) AS volume,
           count(*) AS trades
    FROM trades
    GROUP BY 1, 2
    WITH NO DATA;
SELECT add_continuous_aggregate_policy('candles_1m', start_offset => INTERVAL '7 days', end_offset => INTERVAL '1 minute', schedule_interval => INTERVAL '1 minute', if_not_exists => true);

DROP VIEW candles_1h;
CREATE MATERIALIZED VIEW candles_1h WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
    SELECT symbol,
           time_bucket(INTERVAL '1 hour', timestamp) AS bucket,
           first(price, id) AS open,
           max(price) AS high,
           min(price) AS low,
           last(price, id) AS close,
           sum(quantity) AS volume,
           count(*) AS trades
    FROM trades
    GROUP BY 1, 2
    WITH NO DATA;
SELECT add_continuous_aggregate_policy('candles_1h', start_offset => INTERVAL '7 days', end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '10 minutes', if_not_exists => true);

DROP VIEW pnl_1m;
CREATE MATERIALIZED VIEW pnl_1m WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
    SELECT account,
           time_bucket(INTERVAL '1 minute', timestamp) AS bucket,
           last(equity, id) AS equity,
           last(realized_pnl, id) AS realized_pnl,
           last(unrealized_pnl, id) AS unrealized_pnl,
           last(fees, id) AS fees,
           max(drawdown) AS worst_drawdown,
           last(gross_exposure, id) AS gross_exposure,
           last(net_exposure, id) AS net_exposure
    FROM pnl
    GROUP BY 1, 2
    WITH NO DATA;
SELECT add_continuous_aggregate_policy('pnl_1m', start_offset => INTERVAL '7 days', end_offset => INTERVAL '1 minute', schedule_interval => INTERVAL '1 minute', if_not_exists => true);
