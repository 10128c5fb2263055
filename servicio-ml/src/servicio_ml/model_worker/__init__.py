"""The process of an isolated model, which runs by any Python that has the libraries of the model."""
