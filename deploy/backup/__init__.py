"""Backup and restore of what a platform keeps: its databases, its lake and its models."""
