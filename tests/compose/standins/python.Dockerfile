# Stand-ins in Python: moto for S3, which keeps its objects in files, and the tests' own statsd-exporter. The context
# is a folder with the files that are copied; tests/compose/engine.py collects them.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE} AS base
COPY bootstrap.txt dev.txt /requirements/
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements/bootstrap.txt \
 && python -m venv --without-pip /opt/standin \
 && uv pip install --no-cache --python /opt/standin/bin/python -c /requirements/dev.txt \
      'moto[server]' prometheus-client pyyaml
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends wget && rm -rf /var/lib/apt/lists/* \
 && install --directory --owner=1000 --group=1000 /data
ENV PATH=/opt/standin/bin:${PATH} HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

FROM base AS s3
COPY weed.py /usr/bin/weed
RUN chmod 0755 /usr/bin/weed
USER 1000:1000
ENTRYPOINT ["weed"]

FROM base AS statsd-exporter
COPY statsd_exporter.py statsd_main.py /opt/
USER 65534:65534
ENTRYPOINT ["python", "/opt/statsd_main.py"]
