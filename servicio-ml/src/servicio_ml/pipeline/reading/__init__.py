"""Raw files become typed columns and batches of rows."""
