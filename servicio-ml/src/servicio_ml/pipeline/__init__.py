"""The pipeline: from a raw file to a champion. The world is reached through the ports passed in."""
