"""The tests' stand-in of statsd-exporter, with the exporter's own ports and options."""

import argparse
import socketserver
import time
from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry, start_http_server

from statsd_exporter import GREATEST_PACKET_BYTES, Exporter, Rules

METRICS_PORT = 9102


class Packets(socketserver.UDPServer):
    max_packet_size = GREATEST_PACKET_BYTES


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--statsd.mapping-config", dest="mapping", type=Path, required=True)
    parser.add_argument("--no-statsd.parse-influxdb-tags", action="store_true", required=True)
    parser.add_argument("--statsd.listen-udp", dest="udp", default=":9125")
    given = parser.parse_args()
    registry = CollectorRegistry()
    exporter = Exporter(Rules(yaml.safe_load(given.mapping.read_text())), registry, time.monotonic)

    class Packet(socketserver.DatagramRequestHandler):
        def handle(self) -> None:
            exporter.take(self.rfile.read().decode())

    start_http_server(METRICS_PORT, registry=registry)
    with Packets(("", int(given.udp.rpartition(":")[2])), Packet) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
