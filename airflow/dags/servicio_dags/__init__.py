"""What the files of the DAGs share."""
