"""How far a row is from all training rows: a score, and a limit above which it is an outlier."""
