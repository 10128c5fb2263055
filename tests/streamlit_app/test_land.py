"""The outline of the land behind a map."""

from streamlit_app.predict.land import load_outline, select_outline


def test_every_line_is_on_the_globe_and_crosses_no_edge() -> None:
    outline = load_outline()
    assert outline["longitude"].between(-180, 180).all()
    assert outline["latitude"].between(-90, 90).all()
    steps = outline.groupby("line")["longitude"].diff().abs()
    assert steps.max() < 180


def test_only_land_near_the_window_is_drawn() -> None:
    seen = select_outline((112, 154), (-44, -10))
    assert 0 < seen["line"].nunique() < load_outline()["line"].nunique() / 4
    # Sydney's coast is there, that of the Antarctic is not
    assert (seen["longitude"].between(150, 152) & seen["latitude"].between(-35, -33)).any()
    assert seen["latitude"].min() > -60
