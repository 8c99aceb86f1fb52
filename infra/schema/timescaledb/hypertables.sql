-- Both editions of TimescaleDB: the histories are hypertables. Run at every start, so each statement may be repeated.

SELECT create_hypertable('executions', by_range('timestamp', INTERVAL '1 day'), create_default_indexes => false, if_not_exists => true, migrate_data => true);
SELECT create_hypertable('trades', by_range('timestamp', INTERVAL '1 day'), create_default_indexes => false, if_not_exists => true, migrate_data => true);
SELECT create_hypertable('order_events', by_range('timestamp', INTERVAL '1 day'), create_default_indexes => false, if_not_exists => true, migrate_data => true);
SELECT create_hypertable('position_history', by_range('timestamp', INTERVAL '1 day'), create_default_indexes => false, if_not_exists => true, migrate_data => true);
SELECT create_hypertable('pnl', by_range('timestamp', INTERVAL '1 day'), create_default_indexes => false, if_not_exists => true, migrate_data => true);
SELECT create_hypertable('order_flow', by_range('timestamp', INTERVAL '1 day'), create_default_indexes => false, if_not_exists => true, migrate_data => true);
SELECT create_hypertable('alerts', by_range('timestamp', INTERVAL '1 day'), create_default_indexes => false, if_not_exists => true, migrate_data => true);
