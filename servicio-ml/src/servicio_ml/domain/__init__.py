"""What the platform is about, in the standard library only."""
