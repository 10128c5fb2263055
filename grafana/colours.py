"""Colours for readers with any colour vision (Okabe and Ito 2008, "Color Universal Design")."""

GOOD = "#009E73"
WARN = "#F0E442"
BAD = "#D55E00"
NEUTRAL = "#999999"
BLUE = "#0072B2"
SKY = "#56B4E9"
ORANGE = "#E69F00"
PURPLE = "#CC79A7"
SERIES = (BLUE, ORANGE, SKY, PURPLE, GOOD, BAD, WARN)
"""Colours of a panel's series, in order."""
