"""servicio-ml: a monitored serving platform for tabular models."""
