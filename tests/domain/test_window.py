import pytest

from servicio_ml.domain.window import window_seconds
from servicio_ml.errors import RequestError


@pytest.mark.parametrize(
    ("window", "seconds"), [("1h", 3600), ("24h", 86400), ("30d", 2592000), ("90d", 7776000)]
)
def test_lengths(window: str, seconds: int) -> None:
    assert window_seconds(window) == seconds


@pytest.mark.parametrize("window", ["", "0h", "1", "1m", "91d", "2161h", "01h", "1.5h", "h" * 1000])
def test_what_is_none(window: str) -> None:
    with pytest.raises(RequestError, match="1h to 90d") as told:
        window_seconds(window)
    assert len(str(told.value)) < 150
