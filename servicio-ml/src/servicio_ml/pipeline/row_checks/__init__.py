"""Checks of rows before anything is published or trained."""
