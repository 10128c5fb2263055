"""The pipeline: from a raw file to a champion. It reaches the outside world through the ports passed in."""
