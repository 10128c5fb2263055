"""Raw files: local files, addresses and original publishers."""
