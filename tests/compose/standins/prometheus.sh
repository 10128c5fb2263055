#!/bin/sh
# Debian's Prometheus 2 with the configuration for Prometheus 3: it refuses a retention in the file. The rules and
# targets are beside the mounted file.
set -eu
config=/prometheus/standin.yaml
sed -e '/^storage:/,/^$/d' -e 's#\(rules\|targets\)/#/etc/prometheus/&#' /etc/prometheus/prometheus.yaml >"$config"
first="$1"
shift
[ "$first" = --config.file=/etc/prometheus/prometheus.yaml ] || { echo "the configuration comes first, not $first" >&2; exit 2; }
exec prometheus --config.file="$config" "$@"
