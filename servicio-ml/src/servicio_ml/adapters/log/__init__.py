"""The prediction log: SQLite journals of every process, read as they are or shipped to PostgreSQL."""
