"""Experiments as the server takes part in them and shows them."""
