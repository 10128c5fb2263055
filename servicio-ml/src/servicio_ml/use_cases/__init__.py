"""The use cases that ship with the platform, one file each, as data."""
