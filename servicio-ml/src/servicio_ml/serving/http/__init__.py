"""One HTTP call: its state, errors, keys and log line."""
