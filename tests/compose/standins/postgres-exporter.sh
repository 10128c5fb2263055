#!/bin/sh
# Debian's exporter with the query of the option that docker-compose.yaml gives to a newer one.
set -eu
[ "$*" = --collector.stat_checkpointer ] || { echo "the stand-in knows --collector.stat_checkpointer only: $*" >&2; exit 2; }
exec prometheus-postgres-exporter --extend.query-path=/opt/checkpoints.yaml
