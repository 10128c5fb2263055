"""Alerts that a past stream of rows would have fired."""
