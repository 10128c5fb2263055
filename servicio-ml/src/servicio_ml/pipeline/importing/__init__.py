"""Import of models that other tools have trained."""
