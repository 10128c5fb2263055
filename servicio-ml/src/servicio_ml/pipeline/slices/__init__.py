"""Search for slices: rows with certain values of one or two fields on which a version is worst."""
