"""Segments in production: what is exported of them, and counted when ground truth arrives."""
