"""Dashboard of the object store, from the metrics of SeaweedFS (`-metricsPort`; 3.97 or later)."""

from grafana.board import BoardSection, BoardVariable, build_board
from grafana.colours import BAD, GOOD, ORANGE, PURPLE
from grafana.expressions import select
from grafana.panels import LinesPanel, NumberPanel, PanelQuery, mark_below, warn_above
from grafana_foundation_sdk.builders import dashboard

BUCKET = 'bucket=~"$bucket"'
REQUESTS = select("SeaweedFS_s3_request_total", BUCKET)
FAILED = select("SeaweedFS_s3_request_total", BUCKET, 'code=~"5.."')
SECONDS = select("SeaweedFS_s3_request_seconds_bucket", BUCKET)
RATE = "[$__rate_interval]"
ERRORS = f"(sum(rate({FAILED}{RATE})) or vector(0)) / (sum(rate({REQUESTS}{RATE})) > 0)"
SOME, MANY = 0.001, 0.01
"""Shares of failed requests (0–1) at which the colour changes; no alert uses them."""
ENOUGH = 0.1
"""Minimum share of free disk space (0–1): compaction copies a volume before it deletes it."""
STATUS_COLOURS = {"2xx": GOOD, "3xx": PURPLE, "4xx": ORANGE, "5xx": BAD}
STATUS = f'label_replace(rate({REQUESTS}{RATE}), "class", "${{1}}xx", "code", "(.)..")'


def _sum_traffic(direction: str) -> str:
    counter = select(f"SeaweedFS_s3_bucket_traffic_{direction}_bytes_total", BUCKET)
    return f"sum by (bucket) (rate({counter}{RATE}))"


NOW = (
    NumberPanel(
        "Up",
        "short",
        "Whether Prometheus reaches the store.",
        [PanelQuery('min(up{job="s3"})')],
        steps=mark_below(1),
        value_names={0: ("down", BAD), 1: ("up", GOOD)},
    ),
    NumberPanel("Requests", "reqps", "Requests per second.", [PanelQuery(f"sum(rate({REQUESTS}{RATE}))")]),
    NumberPanel(
        "Failed requests",
        "percentunit",
        "Share of the requests that fail with a status 5xx.",
        [PanelQuery(ERRORS)],
        steps=warn_above(SOME, MANY),
    ),
    NumberPanel(
        "Size",
        "bytes",
        "Logical size of the chosen buckets.",
        [PanelQuery(f"sum({select('SeaweedFS_s3_bucket_size_bytes', BUCKET)})")],
    ),
    NumberPanel(
        "Objects",
        "short",
        "Number of objects in the chosen buckets.",
        [PanelQuery(f"sum({select('SeaweedFS_s3_bucket_object_count', BUCKET)})")],
    ),
    NumberPanel(
        "Free disk",
        "percentunit",
        "Free share of the volume servers' disks.",
        [
            PanelQuery(
                'sum(SeaweedFS_volumeServer_resource{type="free"})'
                ' / sum(SeaweedFS_volumeServer_resource{type="all"})'
            )
        ],
        steps=((None, BAD), (ENOUGH, GOOD)),
    ),
)
TRAFFIC = (
    LinesPanel(
        "Requests by action",
        "reqps",
        "Requests per second by action.",
        [PanelQuery(f"sum by (type) (rate({REQUESTS}{RATE}))", "{{type}}")],
        width=8,
    ),
    LinesPanel(
        "Responses by status",
        "reqps",
        "Responses per second by class of status. 404 is normal: clients check whether an object exists.",
        [PanelQuery(f"sum by (class) ({STATUS})", "{{class}}")],
        width=8,
        stacked=True,
        series_colours=STATUS_COLOURS,
    ),
    LinesPanel(
        "Duration, 99th percentile (p99)",
        "s",
        "99th percentile of the duration by action.",
        [PanelQuery(f"histogram_quantile(0.99, sum by (type, le) (rate({SECONDS}{RATE})))", "{{type}}")],
        width=8,
    ),
    LinesPanel(
        "Received",
        "Bps",
        "Bytes per second from clients, by bucket.",
        [
            PanelQuery(
                _sum_traffic("received"),
                "{{bucket}}",
            )
        ],
        width=8,
    ),
    LinesPanel(
        "Sent",
        "Bps",
        "Bytes per second to clients, by bucket.",
        [
            PanelQuery(
                _sum_traffic("sent"),
                "{{bucket}}",
            )
        ],
        width=8,
    ),
    LinesPanel(
        "Size by bucket",
        "bytes",
        "Logical size, without copies.",
        [PanelQuery(f"max by (bucket) ({select('SeaweedFS_s3_bucket_size_bytes', BUCKET)})", "{{bucket}}")],
        width=8,
    ),
)
VOLUMES = (
    LinesPanel(
        "Volumes",
        "short",
        "Number of volumes in use, and the maximum of the volume servers.",
        [
            PanelQuery("sum(SeaweedFS_volumeServer_volumes)", "in use"),
            PanelQuery("sum(SeaweedFS_volumeServer_max_volumes)", "maximum"),
            PanelQuery("sum(SeaweedFS_volumeServer_read_only_volumes)", "read only"),
        ],
    ),
    LinesPanel(
        "Disk by collection",
        "bytes",
        "Disk space of the volumes, including deleted objects that are not yet compacted.",
        [PanelQuery("sum by (collection) (SeaweedFS_volumeServer_total_disk_size)", "{{collection}}")],
    ),
)
PROCESS = (
    NumberPanel(
        "Running for",
        "s",
        "Time since the store was started.",
        [PanelQuery('time() - max(process_start_time_seconds{job="s3"})')],
        height=8,
    ),
    LinesPanel(
        "Memory",
        "bytes",
        "Resident memory of the store's process.",
        [PanelQuery('sum(process_resident_memory_bytes{job="s3"})', "resident")],
        width=7,
    ),
    LinesPanel(
        "Processors",
        "short",
        "Number of processors that the store uses.",
        [PanelQuery(f'sum(rate(process_cpu_seconds_total{{job="s3"}}{RATE}))', "used")],
        width=7,
    ),
    LinesPanel(
        "Open files",
        "short",
        "Open files and connections of the store's process.",
        [PanelQuery('sum(process_open_fds{job="s3"})', "open")],
        width=6,
    ),
)


def build_object_store_board() -> dashboard.Dashboard:
    bucket = BoardVariable(
        name="bucket", label="Bucket", values="label_values(SeaweedFS_s3_request_total, bucket)", multi=True
    )
    return build_board(
        "object-store",
        "Buckets of the lake and of MLflow's artifacts.",
        [
            BoardSection("Now", NOW),
            BoardSection("Traffic", TRAFFIC),
            BoardSection("Volumes", VOLUMES),
            BoardSection("Process", PROCESS),
        ],
        variables=[bucket],
    )
