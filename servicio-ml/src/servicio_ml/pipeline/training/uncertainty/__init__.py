"""Making the uncertainty document of a model from its answers to rows that it has not seen."""
