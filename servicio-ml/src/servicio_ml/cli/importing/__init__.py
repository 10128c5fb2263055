"""The command that imports models of other tools."""
