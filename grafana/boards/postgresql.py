"""The database of the prediction log, of MLflow and of Airflow, as postgres_exporter (0.11) tells it."""

from grafana.board import Section, Variable, board
from grafana.colours import BAD, BLUE, GOOD, NEUTRAL, ORANGE, WARN
from grafana.expressions import of
from grafana.panels import Lines, Number, Query, below, rising
from grafana_foundation_sdk.builders import dashboard

DATABASE = 'datname=~"$database"'
CONNECTIONS = "sum(pg_stat_database_numbackends) / max(pg_settings_max_connections)"
MANY, FULL = 0.7, 0.9
"""Shares of the connections that the server allows; for looking at: no alert tells of them."""
HIT_RATIO = 0.95
"""A log that is written and read once hits less; below it the working set has outgrown the memory."""
STATES = {
    "active": BLUE,
    "idle": NEUTRAL,
    "idle in transaction": ORANGE,
    "idle in transaction (aborted)": BAD,
}


def _rate(counter: str) -> str:
    return f"sum(rate({of(f'pg_stat_database_{counter}', DATABASE)}[$__rate_interval]))"


HITS = f"{_rate('blks_hit')} / ({_rate('blks_hit')} + {_rate('blks_read')} > 0)"
NOW = (
    Number(
        "Up",
        "short",
        "Whether the exporter reaches the server.",
        [Query("min(pg_up)")],
        steps=below(1),
        words={0: ("down", BAD), 1: ("up", GOOD)},
    ),
    Number(
        "Connections",
        "percentunit",
        "Share of max_connections that are taken.",
        [Query(CONNECTIONS)],
        steps=rising(MANY, FULL),
    ),
    Number(
        "Size", "bytes", "Of the chosen databases.", [Query(f"sum({of('pg_database_size_bytes', DATABASE)})")]
    ),
    Number(
        "Longest transaction",
        "s",
        "Age of the oldest open one. An old one keeps VACUUM from cleaning up.",
        [Query(f"max({of('pg_stat_activity_max_tx_duration', DATABASE)})")],
    ),
    Number(
        "Deadlocks of the day",
        "short",
        "Transactions that the server had to abort because they waited for each other.",
        [Query(f"sum(increase({of('pg_stat_database_deadlocks', DATABASE)}[1d]))")],
        steps=((None, GOOD), (1, WARN)),
    ),
    Number(
        "Found in memory",
        "percentunit",
        "Share of the blocks that the server did not have to read.",
        [Query(HITS)],
        steps=((None, WARN), (HIT_RATIO, GOOD)),
    ),
)
WORK = (
    Lines(
        "Transactions",
        "ops",
        "Per second.",
        [Query(_rate("xact_commit"), "committed"), Query(_rate("xact_rollback"), "rolled back")],
        width=8,
    ),
    Lines(
        "Rows",
        "rowsps",
        "Rows per second that statements touched.",
        [Query(_rate(f"tup_{what}"), what) for what in ("inserted", "updated", "deleted", "fetched")],
        width=8,
    ),
    Lines(
        "Connections by state",
        "short",
        "Idle in transaction: a client that holds locks and does nothing.",
        [Query(f"sum by (state) ({of('pg_stat_activity_count', DATABASE)})", "{{state}}")],
        width=8,
        stacked=True,
        named=STATES,
    ),
    Lines(
        "Locks",
        "short",
        "Held, by mode. accessexclusivelock: everybody else waits.",
        [Query(f"sum by (mode) ({of('pg_locks_count', DATABASE)} > 0)", "{{mode}}")],
        width=8,
        stacked=True,
    ),
    Lines(
        "Blocks",
        "ops",
        "8 kB blocks per second, found in memory or read.",
        [Query(_rate("blks_hit"), "in memory"), Query(_rate("blks_read"), "read")],
        width=8,
    ),
    Lines(
        "Temporary files",
        "Bps",
        "Bytes per second of sorts and joins that did not fit into work_mem.",
        [Query(_rate("temp_bytes"), "written")],
        width=8,
    ),
)
DISK = (
    Lines(
        "Size by database",
        "bytes",
        "It grows with the prediction log; docs/monitoring.md says how long rows are kept.",
        [Query(f"max by (datname) ({of('pg_database_size_bytes', DATABASE)})", "{{datname}}")],
    ),
    Lines(
        "Checkpoints",
        "short",
        "In the last hour. Many asked for: max_wal_size is too small for what is written.",
        [
            Query("sum(increase(pg_stat_bgwriter_checkpoints_timed_total[1h]))", "timed"),
            Query("sum(increase(pg_stat_bgwriter_checkpoints_req_total[1h]))", "asked for"),
        ],
    ),
)


def postgresql() -> dashboard.Dashboard:
    database = Variable(
        name="database", label="Database", values="label_values(pg_database_size_bytes, datname)", multi=True
    )
    return board(
        "postgresql",
        "The database of the prediction log, of MLflow and of Airflow.",
        [Section("Now", NOW), Section("Work", WORK), Section("Disk", DISK)],
        variables=[database],
    )
