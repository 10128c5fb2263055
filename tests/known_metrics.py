"""The metrics that exist, with their labels: of the server, the rules, StatsD and other programs."""

import re
from collections.abc import Iterator

import yaml

from documents import ROOT
from monitoring import rules
from servicio_ml.serving import metrics

TARGET = {"job", "instance"}
"""Labels that Prometheus adds to every sample."""
POSTGRES = {
    "pg_up": (),
    "pg_settings_max_connections": ("server",),
    **{
        f"pg_settings_{name}_bytes": ("server",)
        for name in (
            *("shared_buffers", "work_mem", "maintenance_work_mem", "effective_cache_size"),
            "max_wal_size",
        )
    },
    "pg_database_size_bytes": ("datname",),
    "pg_locks_count": ("datname", "mode"),
    "pg_stat_activity_count": ("datname", "state"),
    "pg_stat_activity_max_tx_duration": ("datname", "state"),
    "pg_stat_checkpointer_num_timed_total": (),
    "pg_stat_checkpointer_num_requested_total": (),
    **{
        f"pg_stat_database_{name}": ("datid", "datname")
        for name in (
            *("numbackends", "xact_commit", "xact_rollback", "blks_hit", "blks_read", "deadlocks"),
            *("temp_bytes", "tup_inserted", "tup_updated", "tup_deleted", "tup_fetched"),
        )
    },
}
"""Metrics of postgres_exporter 0.19 with --collector.stat_checkpointer, at PostgreSQL 17."""
SEAWEEDFS = {
    "SeaweedFS_s3_request_total": ("type", "code", "bucket"),
    "SeaweedFS_s3_request_seconds": ("type", "bucket"),
    "SeaweedFS_s3_bucket_traffic_received_bytes_total": ("bucket",),
    "SeaweedFS_s3_bucket_traffic_sent_bytes_total": ("bucket",),
    "SeaweedFS_s3_bucket_size_bytes": ("bucket",),
    "SeaweedFS_s3_bucket_object_count": ("bucket",),
    "SeaweedFS_volumeServer_volumes": ("collection", "type"),
    "SeaweedFS_volumeServer_read_only_volumes": ("collection", "type"),
    "SeaweedFS_volumeServer_max_volumes": (),
    "SeaweedFS_volumeServer_total_disk_size": ("collection", "type"),
    "SeaweedFS_volumeServer_resource": ("name", "type"),
    "process_resident_memory_bytes": (),
    "process_cpu_seconds_total": (),
    "process_open_fds": (),
    "process_start_time_seconds": (),
}
"""As weed/stats/metrics.go registers them."""
PROMETHEUS = {
    "up": (),
    "scrape_duration_seconds": (),
    "ALERTS": (
        "alertname",
        "alertstate",
        "severity",
        "cause",
        "model",
        "feature",
        "raised",
        "segment",
        "value",
    ),
}
OTHER_SERVER_METRICS = {
    "servicio_ml_stream_lag": ("model",),
    "servicio_ml_retraining_decisions_total": ("model", "decision"),
    "servicio_ml_retraining_budget_remaining": ("model",),
    "servicio_ml_retraining_rejected_timestamp_seconds": ("model",),
    "servicio_ml_quarantined": ("model",),
}
"""Metrics of the server that other modules than `serving.metrics` export."""
ROW = re.compile(r"^\| ([\w, ]+?) \| ([\w, ]*)\|$", re.MULTILINE)
RECORD_LABELS = {
    *("model", "version", "feature", "bin", "season", "window", "predicted", "actual", "label", "metric"),
    *("reason", "route", "method", "protocol", "step", "use_case", "figure", "segment", "value"),
}


def _list_server_metrics() -> Iterator[tuple[str, tuple[str, ...]]]:
    for names, labels in ROW.findall(metrics.__doc__ or ""):
        for name in names.split(", "):
            yield name, tuple(filter(None, labels.strip().split(", ")))


def _list_statsd_metrics() -> Iterator[tuple[str, tuple[str, ...]]]:
    mapping = yaml.safe_load((ROOT / "monitoring" / "statsd" / "mapping.yaml").read_text())
    for each in mapping["mappings"]:
        if each.get("action") != "drop":
            yield each["name"], tuple(each.get("labels", ()))


def _list_recorded() -> set[str]:
    documents = rules.to_document(rules.build_groups(step="5m", windows=("1h", "1d", "7d", "30d")))
    return {rule["record"] for group in documents["groups"] for rule in group["rules"] if "record" in rule}


RECORDED = _list_recorded()
EXPORTED = {
    **dict(_list_server_metrics()),
    **OTHER_SERVER_METRICS,
    **dict(_list_statsd_metrics()),
    **POSTGRES,
    **SEAWEEDFS,
    **PROMETHEUS,
}


def find_labels(name: str) -> set[str] | None:
    """What a metric's samples may have; None when there is no such metric."""
    if name in RECORDED:
        return RECORD_LABELS
    for suffix, more in (("", ()), ("_bucket", ("le",)), ("_sum", ()), ("_count", ())):
        if name.endswith(suffix) and (base := name.removesuffix(suffix)) in EXPORTED:
            quantile = {"quantile"} if base.endswith("_seconds") and not suffix else set()
            return {*EXPORTED[base], *more, *TARGET, *quantile}
    return None
