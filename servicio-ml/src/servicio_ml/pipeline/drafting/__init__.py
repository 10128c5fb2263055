"""Draft of a use case from a raw file: what each column is, what is predicted, and the file that says so."""
