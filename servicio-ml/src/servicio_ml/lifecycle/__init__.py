"""What several layers decide and read together: champion decisions, model history, published data."""
