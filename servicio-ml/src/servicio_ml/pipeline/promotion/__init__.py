"""The challenger is compared with the champion and judged."""
