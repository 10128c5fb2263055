"""Backup and restore of a platform's databases, lake and models."""
