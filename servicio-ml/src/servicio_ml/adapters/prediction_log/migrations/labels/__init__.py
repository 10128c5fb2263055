"""Revisions of the file of ground truth."""
