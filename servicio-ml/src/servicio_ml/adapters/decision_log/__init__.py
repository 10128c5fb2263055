"""The decision log in SQLite or PostgreSQL."""
