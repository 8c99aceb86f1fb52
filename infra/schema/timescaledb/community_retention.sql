-- TimescaleDB Community only, at every start: HFT_HISTORY_DAYS as its own policies (0: none).

SELECT remove_retention_policy(name::regclass, if_exists => true)
    FROM unnest(ARRAY['executions', 'trades', 'order_events', 'position_history', 'pnl', 'order_flow', 'alerts']) AS name;
SELECT add_retention_policy(name::regclass, make_interval(days => current_setting('hft.history_days')::integer))
    FROM unnest(ARRAY['executions', 'trades', 'order_events', 'position_history', 'pnl', 'order_flow', 'alerts']) AS name
    WHERE current_setting('hft.history_days')::integer > 0;
