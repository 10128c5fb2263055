"""How sure an answer is: intervals of numbers, sets of labels, bounds of probabilities, expected errors."""
