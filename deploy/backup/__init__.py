"""Backup and restore of a platform's databases, lake, models, use cases and raw files."""
