"""Counts that give the performance of any window of rows."""
