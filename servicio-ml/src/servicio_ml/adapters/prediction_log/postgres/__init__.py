"""The prediction log in PostgreSQL."""
