#!/bin/sh
# Alertmanager with the address that people chose in ALERT_WEBHOOK_URL; with none, only its pages show alerts.
set -eu
folder=/tmp/config
mkdir -p "$folder"
ln -sf /run/secrets/hook_token "$folder/hook_token"
if [ -n "${ALERT_WEBHOOK_URL:-}" ]; then
  case "$ALERT_WEBHOOK_URL" in
    http://* | https://*) ;;
    *) echo "ALERT_WEBHOOK_URL is no http:// or https:// address: $ALERT_WEBHOOK_URL" >&2; exit 1 ;;
  esac
  case "$ALERT_WEBHOOK_URL" in *[\'\|\&\\]*) echo "ALERT_WEBHOOK_URL: ' | & and \\ must be percent-encoded" >&2; exit 1 ;; esac
  sed "s|http://notify:8080/alerts|'$ALERT_WEBHOOK_URL'|" /etc/alertmanager/alertmanager.yaml >"$folder/alertmanager.yaml"
else
  # the receiver stays, without anybody behind it
  sed '/^  - name: people$/,$d' /etc/alertmanager/alertmanager.yaml >"$folder/alertmanager.yaml"
  echo "  - name: people" >>"$folder/alertmanager.yaml"
fi
exec alertmanager --config.file="$folder/alertmanager.yaml" --storage.path=/alertmanager/data --cluster.listen-address= \
  --web.external-url="${EXTERNAL_URL:-http://localhost:9093}" --log.level=warn
