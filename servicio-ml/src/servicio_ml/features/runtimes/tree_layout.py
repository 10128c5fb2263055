"""Layout of a table of trees: what the bits of a link mean, and how many trees stand in a group."""

LANES = 8
"""Number of trees that are walked at once: a processor waits for memory of all of them together."""
LEAF_BIT, MISSING_LEFT_BIT, COLUMN_SHIFT = 31, 30, 20
MAX_NODES, MAX_COLUMNS = 1 << COLUMN_SHIFT, 1 << (MISSING_LEFT_BIT - COLUMN_SHIFT)
