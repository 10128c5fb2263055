"""The ports: what pipeline and serving need of the outside world, one Protocol family per module."""
