"""The prediction log: SQLite journals of every process, read in place or shipped to PostgreSQL."""
