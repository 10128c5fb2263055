"""The isolation forest of a version: its fit, its export and its words in the model card."""
