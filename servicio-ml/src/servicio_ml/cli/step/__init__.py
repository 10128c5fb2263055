"""`servicio-ml step …`: the steps of `etl` and `train`, one process each, for a scheduler."""
