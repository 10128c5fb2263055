"""Commands about tickets of the alerts."""
