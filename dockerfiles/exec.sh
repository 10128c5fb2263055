#!/bin/sh
# A program of the image by its name, with the secrets in its environment: `docker compose exec` starts no entrypoint.
exec python -I /opt/entrypoint.py "$PROGRAMS/${0##*/}" "$@"
