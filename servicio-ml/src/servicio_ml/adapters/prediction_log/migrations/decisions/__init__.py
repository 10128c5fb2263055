"""Revisions of the file of decisions about retrainings."""
