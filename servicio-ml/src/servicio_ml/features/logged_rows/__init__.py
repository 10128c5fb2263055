"""Logged predictions as tables: decoded fields, answers and ground truth, in several file formats."""
