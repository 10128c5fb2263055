import pytest

from servicio_ml.errors import RequestError
from servicio_ml.serving.window import parse_window_seconds


@pytest.mark.parametrize(
    ("window", "seconds"), [("1h", 3600), ("24h", 86400), ("30d", 2592000), ("90d", 7776000)]
)
def test_lengths(window: str, seconds: int) -> None:
    assert parse_window_seconds(window) == seconds


@pytest.mark.parametrize("window", ["", "0h", "1", "1m", "91d", "2161h", "01h", "1.5h", "h" * 1000])
def test_what_is_none(window: str) -> None:
    with pytest.raises(RequestError, match="1h to 90d") as raised:
        parse_window_seconds(window)
    assert len(str(raised.value)) < 150
