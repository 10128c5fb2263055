"""Feature matrix, reference profile and model artifact."""
