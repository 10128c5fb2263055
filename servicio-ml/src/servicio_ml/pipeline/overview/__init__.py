"""Summaries of a period for the pages: columns, bins, counts, rejected rows."""
