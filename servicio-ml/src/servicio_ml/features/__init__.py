"""From values to the float32 matrix, its reference profile, and the model artifact that reads it."""
