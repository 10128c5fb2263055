"""Values with their units as Grafana formats them, for the units of the dashboards."""

PERCENT = 100
TIMES = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
SIZES = ((1024.0**3, "GiB"), (1024.0**2, "MiB"), (1024.0, "KiB"), (1.0, "B"))
COUNTS = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
RATES = {"reqps": "req/s", "rowsps": "rows/s", "ops": "/s", "cps": "/s"}


def format_value(value: float, unit: str) -> str:
    """Format a value with its unit."""
    if unit == "percentunit":
        return f"{_shorten(value * PERCENT)} %"
    if unit == "s":
        return _scale(value, TIMES)
    if unit in {"bytes", "Bps"}:
        return _scale(value, SIZES) + ("/s" if unit == "Bps" else "")
    return f"{_scale(value, COUNTS)} {RATES.get(unit, '')}".strip()


def _scale(value: float, scales: tuple[tuple[float, str], ...]) -> str:
    smallest = scales[-1]
    size, name = next((each for each in scales if abs(value) >= each[0]), smallest)
    if not value:
        return f"0 {name if size >= 1 else ''}".strip()
    return f"{_shorten(value / size)} {name}".strip()


def _shorten(value: float) -> str:
    return f"{value:.3g}" if abs(value) < PERCENT else f"{value:.0f}"
