"""The buckets of data and artifacts, as SeaweedFS tells them (its `-metricsPort`; 3.97 or later)."""

from grafana.board import Section, Variable, board
from grafana.colours import BAD, GOOD, ORANGE, PURPLE
from grafana.expressions import of
from grafana.panels import Lines, Number, Query, below, rising
from grafana_foundation_sdk.builders import dashboard

BUCKET = 'bucket=~"$bucket"'
REQUESTS = of("SeaweedFS_s3_request_total", BUCKET)
FAILED = of("SeaweedFS_s3_request_total", BUCKET, 'code=~"5.."')
SECONDS = of("SeaweedFS_s3_request_seconds_bucket", BUCKET)
RATE = "[$__rate_interval]"
ERRORS = f"(sum(rate({FAILED}{RATE})) or vector(0)) / (sum(rate({REQUESTS}{RATE})) > 0)"
SOME, MANY = 0.001, 0.01
"""Shares of the requests that fail; ours, for looking at: no alert tells of them."""
ENOUGH = 0.1
"""Share of the disks that should be free: compaction copies a volume before it deletes it."""
STATUS_COLOURS = {"2xx": GOOD, "3xx": PURPLE, "4xx": ORANGE, "5xx": BAD}
STATUS = f'label_replace(rate({REQUESTS}{RATE}), "class", "${{1}}xx", "code", "(.)..")'


def _traffic(way: str) -> str:
    counter = of(f"SeaweedFS_s3_bucket_traffic_{way}_bytes_total", BUCKET)
    return f"sum by (bucket) (rate({counter}{RATE}))"


NOW = (
    Number(
        "Up",
        "short",
        "Whether Prometheus reaches the store.",
        [Query('min(up{job="s3"})')],
        steps=below(1),
        words={0: ("down", BAD), 1: ("up", GOOD)},
    ),
    Number("Requests", "reqps", "Per second.", [Query(f"sum(rate({REQUESTS}{RATE}))")]),
    Number(
        "Requests that fail",
        "percentunit",
        "Share of the requests that the store failed (5xx).",
        [Query(ERRORS)],
        steps=rising(SOME, MANY),
    ),
    Number(
        "Size",
        "bytes",
        "Of the chosen buckets.",
        [Query(f"sum({of('SeaweedFS_s3_bucket_size_bytes', BUCKET)})")],
    ),
    Number(
        "Objects",
        "short",
        "In the chosen buckets.",
        [Query(f"sum({of('SeaweedFS_s3_bucket_object_count', BUCKET)})")],
    ),
    Number(
        "Free disk",
        "percentunit",
        "Share of the volume servers' disks that is free.",
        [
            Query(
                'sum(SeaweedFS_volumeServer_resource{type="free"})'
                ' / sum(SeaweedFS_volumeServer_resource{type="all"})'
            )
        ],
        steps=((None, BAD), (ENOUGH, GOOD)),
    ),
)
TRAFFIC = (
    Lines(
        "Requests by action",
        "reqps",
        "Per second.",
        [Query(f"sum by (type) (rate({REQUESTS}{RATE}))", "{{type}}")],
        width=8,
    ),
    Lines(
        "Answers by status",
        "reqps",
        "Per second, by class of status. 404 is normal: clients ask whether an object is there.",
        [Query(f"sum by (class) ({STATUS})", "{{class}}")],
        width=8,
        stacked=True,
        named=STATUS_COLOURS,
    ),
    Lines(
        "Duration, slowest of a hundred",
        "s",
        "99th percentile by action.",
        [Query(f"histogram_quantile(0.99, sum by (type, le) (rate({SECONDS}{RATE})))", "{{type}}")],
        width=8,
    ),
    Lines(
        "Received",
        "Bps",
        "Bytes per second from clients, by bucket.",
        [
            Query(
                _traffic("received"),
                "{{bucket}}",
            )
        ],
        width=8,
    ),
    Lines(
        "Sent",
        "Bps",
        "Bytes per second to clients, by bucket.",
        [
            Query(
                _traffic("sent"),
                "{{bucket}}",
            )
        ],
        width=8,
    ),
    Lines(
        "Size by bucket",
        "bytes",
        "Logical size, without copies.",
        [Query(f"max by (bucket) ({of('SeaweedFS_s3_bucket_size_bytes', BUCKET)})", "{{bucket}}")],
        width=8,
    ),
)
VOLUMES = (
    Lines(
        "Volumes",
        "short",
        "In use, beside the most that the volume servers may have.",
        [
            Query("sum(SeaweedFS_volumeServer_volumes)", "in use"),
            Query("sum(SeaweedFS_volumeServer_max_volumes)", "most"),
            Query("sum(SeaweedFS_volumeServer_read_only_volumes)", "read only"),
        ],
    ),
    Lines(
        "Disk by collection",
        "bytes",
        "Used by volumes and by what is deleted but not yet cleaned up.",
        [Query("sum by (collection) (SeaweedFS_volumeServer_total_disk_size)", "{{collection}}")],
    ),
)


def object_store() -> dashboard.Dashboard:
    bucket = Variable(
        name="bucket", label="Bucket", values="label_values(SeaweedFS_s3_request_total, bucket)", multi=True
    )
    return board(
        "object-store",
        "The buckets of data and artifacts.",
        [Section("Now", NOW), Section("Traffic", TRAFFIC), Section("Volumes", VOLUMES)],
        variables=[bucket],
    )
