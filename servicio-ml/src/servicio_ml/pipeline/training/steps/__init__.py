"""Steps of a training.

Each step finds what the others left in the parent run and in the studies, so that it may run in a process of
its own, be killed and run again.
"""
