"""Retrainers: Airflow, or a command on this machine."""
