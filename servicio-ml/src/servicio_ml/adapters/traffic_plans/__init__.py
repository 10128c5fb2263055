"""The store of traffic plans, beside the decision log in SQLite or PostgreSQL."""
