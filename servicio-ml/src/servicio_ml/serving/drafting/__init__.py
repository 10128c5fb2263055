"""New use cases: routes that draft them from raw files and start their first training."""
