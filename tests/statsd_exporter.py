"""A stand-in for Prometheus' statsd-exporter, as its documentation describes it.

It is run as the mapping file says: tags in the manner of InfluxDB stay in the name, those of Datadog become
labels. Of the exporter's own metrics it has `statsd_exporter_lines_total`,
`statsd_exporter_events_actions_total` and `statsd_exporter_events_conflict_total`.
"""

import re
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry, Counter, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

HOST = "127.0.0.1"
GREATEST_PACKET_BYTES = 65_535
BETWEEN_LOOKS_SECONDS = 0.02
MILLISECONDS = 1000
KINDS = {"c": "counter", "g": "gauge", "ms": "observer", "h": "observer", "d": "observer"}
QUANTILES = (0.5, 0.9, 0.99)
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Sample:
    """One value of one line."""

    name: str
    kind: str
    value: float
    relative: bool
    times: int
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Mapped:
    """Where a sample goes."""

    name: str
    labels: Mapping[str, str]
    about: str
    drop: bool
    ttl: float


def parse_duration(text: str | int) -> float:
    """Seconds of a Go duration such as `1m20s`."""
    if text in {0, "0"}:
        return 0.0
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|s|m|h)", str(text)))


def escape_name(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", f"_{name}" if name[:1].isdigit() else name)


class Rules:
    """A mapping file: globs first, then regular expressions, each in the order of the file."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._defaults = document.get("defaults") or {}
        options = self._defaults.get("summary_options") or {}
        self.quantiles = tuple(each["quantile"] for each in options.get("quantiles", ())) or QUANTILES
        every = document.get("mappings") or []
        self._globs = [each for each in every if self._get_type(each) == "glob"]
        self._expressions = [each for each in every if self._get_type(each) == "regex"]

    def find(self, name: str, kind: str) -> Mapped | None:
        for each in self._globs:
            found = re.fullmatch(re.escape(each["match"]).replace(r"\*", "([^.]*)"), name)
            if found and each.get("match_metric_type", kind) == kind:
                return self._map_metric(each, found, r"\$\{?(\d+)\}?")
        for each in self._expressions:
            found = re.search(each["match"], name)
            if found and each.get("match_metric_type", kind) == kind:
                return self._map_metric(each, found, r"\$(?:\{(\w+)\}|(\w+))")
        return None

    def keep_unmapped(self, name: str) -> Mapped:
        ttl = parse_duration(self._defaults.get("ttl", 0))
        return Mapped(name=escape_name(name), labels={}, about="", drop=False, ttl=ttl)

    def _get_type(self, each: Mapping[str, Any]) -> str:
        return str(each.get("match_type") or self._defaults.get("match_type") or "glob")

    def _map_metric(self, each: Mapping[str, Any], found: re.Match[str], reference: str) -> Mapped:
        def replace_reference(of: re.Match[str]) -> str:
            number = next(group for group in of.groups() if group is not None)
            known = number.isdigit() and int(number) <= (found.re.groups)
            return (found[int(number)] or "") if known else ""

        def fill(template: str) -> str:
            return re.sub(reference, replace_reference, template)

        return Mapped(
            name=escape_name(fill(each["name"])),
            labels={label: fill(str(text)) for label, text in (each.get("labels") or {}).items()},
            about=each.get("help", ""),
            drop=each.get("action") == "drop",
            ttl=parse_duration(each.get("ttl") or self._defaults.get("ttl", 0)),
        )


def parse_line(line: str) -> Iterator[Sample]:
    """The samples of a line; none of one that is broken."""
    name, colon, rest = line.partition(":")
    if not (name and colon and "|" in rest):
        return
    for text in [rest] if "|#" in rest else rest.split(":"):
        number, kind, *further = text.split("|")
        if kind in KINDS and is_number(number):
            yield build_sample(name, number, kind, further)


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def build_sample(name: str, number: str, kind: str, further: Sequence[str]) -> Sample:
    """Build a sample of the parts of its text: the value, the type, and a sampling rate or tags."""
    share, labels = 1.0, dict[str, str]()
    for each in further:
        if each.startswith("@"):
            share = float(each[1:]) or 1.0
        elif each.startswith("#"):
            labels = parse_tags(each[1:])
    divisors = {"c": share, "ms": MILLISECONDS}
    return Sample(
        name=name, kind=KINDS[kind], relative=number[0] in "+-", labels=labels,
        value=float(number) / divisors.get(kind, 1),
        times=int(1 / share) if KINDS[kind] == "observer" else 1,
    )  # fmt: skip


def parse_tags(text: str) -> dict[str, str]:
    """Parse tags in the manner of Datadog: `name:value`, separated by commas."""
    pairs = (tag.partition(":") for tag in text.split(","))
    return {escape_name(key): tag for key, _, tag in pairs if key and tag}


@dataclass
class Series:
    """Values received for one combination of labels."""

    total: float = 0.0
    observed: list[float] = field(default_factory=list)
    until: float = float("inf")

    def add(self, sample: Sample) -> None:
        """Add a sample: to the observations, to the total, or in its place."""
        if sample.kind == "observer":
            self.observed += [sample.value] * sample.times
        elif sample.kind == "counter" or sample.relative:
            self.total += sample.value
        else:
            self.total = sample.value


Key = tuple[tuple[str, str], ...]


class Exporter(Collector):
    """Takes lines and shows metrics; a name keeps the type that it had first."""

    def __init__(self, rules: Rules, registry: CollectorRegistry, clock: Callable[[], float]) -> None:
        self._rules, self._clock, self._lock = rules, clock, threading.Lock()
        self._families: dict[str, tuple[str, str, dict[Key, Series]]] = {}
        self._lines = Counter("statsd_exporter_lines", "Lines received.", registry=registry)
        self._actions = Counter(
            "statsd_exporter_events_actions", "What was done.", ["action"], registry=registry
        )
        self._conflicts = Counter(
            "statsd_exporter_events_conflict", "Of another type.", ["type"], registry=registry
        )
        registry.register(self)

    def take(self, packet: str) -> None:
        for line in packet.splitlines():
            with self._lock:
                for sample in parse_line(line):
                    self._apply(sample)
            self._lines.inc()

    def _apply(self, sample: Sample) -> None:
        known = self._rules.find(sample.name, sample.kind)
        if known is not None:
            self._actions.labels("drop" if known.drop else "map").inc()
        mapped = known or self._rules.keep_unmapped(sample.name)
        if mapped.drop or (sample.kind == "counter" and sample.value < 0):
            return
        kind, _, every = self._families.setdefault(mapped.name, (sample.kind, mapped.about, {}))
        if kind != sample.kind:
            self._conflicts.labels(sample.kind).inc()
            return
        series = every.setdefault(tuple(sorted({**sample.labels, **mapped.labels}.items())), Series())
        series.add(sample)
        series.until = self._clock() + mapped.ttl if mapped.ttl else float("inf")

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            for name, (kind, about, every) in sorted(self._families.items()):
                for key in [key for key, series in every.items() if series.until <= self._clock()]:
                    del every[key]
                yield self._build_family(name, kind, about, every)

    def _build_family(self, name: str, kind: str, about: str, every: Mapping[Key, Series]) -> Metric:
        shown = "summary" if kind == "observer" else kind
        # the library puts the ending back
        metric = Metric(name.removesuffix("_total") if kind == "counter" else name, about or name, shown)
        for key, series in every.items():
            labels, ranked = dict(key), sorted(series.observed)
            if kind != "observer":
                metric.add_sample(name, labels, series.total)
                continue
            for quantile in self._rules.quantiles:
                place = min(int(quantile * len(ranked)), len(ranked) - 1)
                metric.add_sample(name, {**labels, "quantile": f"{quantile:g}"}, ranked[place])
            metric.add_sample(f"{name}_sum", labels, sum(ranked))
            metric.add_sample(f"{name}_count", labels, len(ranked))
        return metric


class _Packets(socketserver.UDPServer):
    max_packet_size = GREATEST_PACKET_BYTES


@contextmanager
def run_statsd_exporter(
    mapping: Path, clock: Callable[[], float] = time.monotonic
) -> Iterator[tuple[int, str]]:
    """Run it with a mapping file; gives the UDP port and the address of its metrics.

    Args:
        mapping: The file.
        clock: In seconds; what has a time to live expires by it.
    """
    registry = CollectorRegistry()
    exporter = Exporter(Rules(yaml.safe_load(mapping.read_text())), registry, clock)

    class Packet(socketserver.DatagramRequestHandler):
        def handle(self) -> None:
            exporter.take(self.rfile.read().decode())

    with _Packets((HOST, 0), Packet) as server:
        listening = threading.Thread(target=server.serve_forever, args=(BETWEEN_LOOKS_SECONDS,))
        listening.start()
        web, serving = start_http_server(0, HOST, registry)
        try:
            yield server.server_address[1], f"http://{HOST}:{web.server_port}/metrics"
        finally:
            web.shutdown()
            web.server_close()
            serving.join()
            server.shutdown()
            listening.join()
