"""Dashboard of PostgreSQL 17, from the metrics of postgres_exporter (0.17 or later)."""

from grafana.board import BoardSection, BoardVariable, build_board
from grafana.colours import BAD, BLUE, GOOD, NEUTRAL, ORANGE, WARN
from grafana.expressions import select
from grafana.panels import LinesPanel, NumberPanel, PanelQuery, mark_below, warn_above
from grafana_foundation_sdk.builders import dashboard

DATABASE = 'datname=~"$database"'
CONNECTIONS = "sum(pg_stat_database_numbackends) / max(pg_settings_max_connections)"
MANY, FULL = 0.7, 0.9
"""Shares of max_connections (0–1) at which the colour changes; no alert uses them."""
HIT_RATIO = 0.95
"""Minimum share of block reads from memory (0–1); below it the working set is larger than the memory."""
STATES = {
    "active": BLUE,
    "idle": NEUTRAL,
    "idle in transaction": ORANGE,
    "idle in transaction (aborted)": BAD,
}


def _sum_rate(counter: str) -> str:
    return f"sum(rate({select(f'pg_stat_database_{counter}', DATABASE)}[$__rate_interval]))"


HITS = f"{_sum_rate('blks_hit')} / ({_sum_rate('blks_hit')} + {_sum_rate('blks_read')} > 0)"
NOW = (
    NumberPanel(
        "Up",
        "short",
        "Whether the exporter reaches the server.",
        [PanelQuery("min(pg_up)")],
        steps=mark_below(1),
        value_names={0: ("down", BAD), 1: ("up", GOOD)},
    ),
    NumberPanel(
        "Connections",
        "percentunit",
        "Used share of max_connections.",
        [PanelQuery(CONNECTIONS)],
        steps=warn_above(MANY, FULL),
    ),
    NumberPanel(
        "Size",
        "bytes",
        "Size of the chosen databases.",
        [PanelQuery(f"sum({select('pg_database_size_bytes', DATABASE)})")],
    ),
    NumberPanel(
        "Longest transaction",
        "s",
        "Age of the oldest open transaction. A long transaction keeps VACUUM from removing dead rows.",
        [PanelQuery(f"max({select('pg_stat_activity_max_tx_duration', DATABASE)})")],
    ),
    NumberPanel(
        "Deadlocks of the day",
        "short",
        "Transactions of the last day that the server aborted because of a deadlock.",
        [PanelQuery(f"sum(increase({select('pg_stat_database_deadlocks', DATABASE)}[1d]))")],
        steps=((None, GOOD), (1, WARN)),
    ),
    NumberPanel(
        "Cache hit ratio",
        "percentunit",
        "Share of the blocks that the server found in its memory.",
        [PanelQuery(HITS)],
        steps=((None, WARN), (HIT_RATIO, GOOD)),
    ),
)
WORK = (
    LinesPanel(
        "Transactions",
        "ops",
        "Transactions per second.",
        [
            PanelQuery(_sum_rate("xact_commit"), "committed"),
            PanelQuery(_sum_rate("xact_rollback"), "rolled back"),
        ],
        width=8,
    ),
    LinesPanel(
        "Rows",
        "rowsps",
        "Rows per second by operation.",
        [
            PanelQuery(_sum_rate(f"tup_{what}"), what)
            for what in ("inserted", "updated", "deleted", "fetched")
        ],
        width=8,
    ),
    LinesPanel(
        "Connections by state",
        "short",
        "Connections by state. Idle in transaction: the client holds locks and runs no statement.",
        [PanelQuery(f"sum by (state) ({select('pg_stat_activity_count', DATABASE)})", "{{state}}")],
        width=8,
        stacked=True,
        series_colours=STATES,
    ),
    LinesPanel(
        "Locks",
        "short",
        "Locks by mode. accessexclusivelock blocks all other access to a table.",
        [PanelQuery(f"sum by (mode) ({select('pg_locks_count', DATABASE)} > 0)", "{{mode}}")],
        width=8,
        stacked=True,
    ),
    LinesPanel(
        "Blocks",
        "ops",
        "Blocks of 8 kB per second, found in memory or read from disk.",
        [PanelQuery(_sum_rate("blks_hit"), "in memory"), PanelQuery(_sum_rate("blks_read"), "read")],
        width=8,
    ),
    LinesPanel(
        "Temporary files",
        "Bps",
        "Bytes per second that sorts and joins larger than work_mem write to disk.",
        [PanelQuery(_sum_rate("temp_bytes"), "written")],
        width=8,
    ),
)
DISK = (
    LinesPanel(
        "Size by database",
        "bytes",
        "Size of each database. docs/monitoring.md gives the retention of the prediction log.",
        [PanelQuery(f"max by (datname) ({select('pg_database_size_bytes', DATABASE)})", "{{datname}}")],
    ),
    LinesPanel(
        "Checkpoints",
        "short",
        "Checkpoints in the last hour. Many requested ones: max_wal_size is too small for the writes.",
        [
            PanelQuery("sum(increase(pg_stat_checkpointer_num_timed_total[1h]))", "timed"),
            PanelQuery("sum(increase(pg_stat_checkpointer_num_requested_total[1h]))", "requested"),
        ],
    ),
)
SETTINGS = (
    NumberPanel(
        "Memory settings",
        "bytes",
        "Memory that the server may use: for blocks, shared; for each sort or join; for each VACUUM or new"
        " index; and for the cache of the operating system, as the planner expects it.",
        [
            PanelQuery(f"max(pg_settings_{name}_bytes)", name)
            for name in ("shared_buffers", "work_mem", "maintenance_work_mem", "effective_cache_size")
        ],
        width=16,
    ),
    NumberPanel(
        "WAL between checkpoints",
        "bytes",
        "max_wal_size: a checkpoint is requested before the write-ahead log grows beyond it.",
        [PanelQuery("max(pg_settings_max_wal_size_bytes)")],
    ),
    NumberPanel(
        "Maximum of connections",
        "short",
        "max_connections; further clients are refused.",
        [PanelQuery("max(pg_settings_max_connections)")],
    ),
)


def build_postgresql_board() -> dashboard.Dashboard:
    database = BoardVariable(
        name="database", label="Database", values="label_values(pg_database_size_bytes, datname)", multi=True
    )
    return build_board(
        "postgresql",
        "Database server of the prediction log, MLflow and Airflow.",
        [
            BoardSection("Now", NOW),
            BoardSection("Work", WORK),
            BoardSection("Disk", DISK),
            BoardSection("Settings", SETTINGS),
        ],
        variables=[database],
    )
