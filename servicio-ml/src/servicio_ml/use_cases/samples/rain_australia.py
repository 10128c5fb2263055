"""Synthetic rows of rain in Australia: 49 stations by days."""

import csv
from importlib.resources import files

from servicio_ml.domain.sample import Factor, Marginal, NextDay, Panel, Switch, SyntheticSample

# The sample's numbers are summary statistics of 2007-11 to 2017-06. Its factors are those of a factor analysis
# (normal scores, varimax) in which the next day's rain takes part; each station has their means, and lacks sensors.
STATIONS = {
    row["station"]: row
    for row in csv.DictReader(files(__package__).joinpath("rain_stations.csv").read_text().splitlines())
}


def _list_stations_without(sensor: str) -> tuple[str, ...]:
    return tuple(name for name, station in STATIONS.items() if sensor in station["lacks"])


def _build_factor(name: str, *, season: float, peak: int, persistence: float) -> Factor:
    levels = {station: float(means[name]) for station, means in STATIONS.items()}
    return Factor(name=name, season=season, peak=peak, persistence=persistence, levels=levels)


def _build_quantiles(*values: float) -> dict[float, float]:
    return dict(zip((0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1), values, strict=True))


def _build_shares(levels: str, *permille: float) -> dict[str, float]:
    return dict(zip(levels.split(), permille, strict=True))


SAMPLE = SyntheticSample(
    rows=20_000,
    panel=Panel(date="Date", entity="Location", entities=tuple(STATIONS), last="2017-06-25"),
    missing="NA",
    factors=(
        _build_factor("warmth", season=0.6, peak=19, persistence=0.7),
        _build_factor("wetness", season=0.14, peak=138, persistence=0.65),
        _build_factor("depression", season=0.23, peak=353, persistence=0.75),
        _build_factor("wind", season=0.18, peak=314, persistence=0.4),
        _build_factor("westerly", season=0.13, peak=214, persistence=0.4),
    ),
    columns={
        "MinTemp": Marginal(quantiles=_build_quantiles(-8.5, -1.9, 1.8, 7.6, 12, 16.9, 23, 25.8, 28.1, 33.9), step=0.1, missing=0.01, loadings=(0.85, 0.19, 0.22, 0.13, -0.15)),
        "MaxTemp": Marginal(quantiles=_build_quantiles(-4.8, 9, 12.8, 17.9, 22.6, 28.2, 35.5, 40.1, 43.8, 48.1), step=0.1, missing=0.009, loadings=(0.91, -0.32, 0.16, -0.04, -0.03), at_least="MinTemp"),
        "Rainfall": Marginal(  # loadings a tenth greater than measured, which makes up for what factors leave out
            quantiles={0: 0, 0.64: 0, 0.66: 0.2, 0.7: 0.3, 0.75: 0.8, 0.776: 1.1, 0.8: 1.6, 0.85: 3.2, 0.9: 6.2, 0.95: 13, 0.98: 25.2, 0.99: 37.4, 0.995: 53, 0.999: 102, 1: 371},
            step=0.2, missing=0.022, loadings=(-0.1, 0.76, 0.29, 0.15, 0.06), lag=1,
        ),
        "Evaporation": Marginal(quantiles=_build_quantiles(0, 0.4, 1, 2.6, 4.8, 7.4, 12, 18.4, 42.5, 145), step=0.2, missing=0.173, missing_at=_list_stations_without("evaporation"), loadings=(0.61, -0.32, 0.16, 0.23, -0.12)),
        "Sunshine": Marginal(quantiles=_build_quantiles(0, 0, 0.3, 4.8, 8.4, 10.6, 12.8, 13.4, 13.8, 14.5), step=0.1, missing=0.181, missing_at=_list_stations_without("sunshine"), loadings=(0.24, -0.82, 0.01, 0.02, -0.09)),
        "WindGustDir": Marginal(shares=_build_shares("E ENE ESE SE NE SSE SW SSW S NNE WSW W N WNW NNW NW", *(68, 60, 55, 70, 53, 68, 66, 65, 68, 48, 67, 73, 69, 61, 49, 60)), missing=0.03, missing_at=_list_stations_without("gust"), loadings=(-0.17, 0.06, 0.13, 0.06, 0.82)),
        "WindGustSpeed": Marginal(quantiles=_build_quantiles(6, 15, 20, 31, 39, 48, 65, 81, 100, 135), missing_with="WindGustDir", loadings=(0.07, 0.03, 0.29, 0.86, 0.1)),
        "WindDir9am": Marginal(shares=_build_shares("E ESE SE ENE SSE S NE SSW SW WSW W NNE WNW NW N NNW", *(68, 57, 69, 58, 68, 64, 57, 56, 62, 52, 63, 60, 55, 65, 87, 59)), missing=0.073, loadings=(-0.17, 0.12, 0.13, 0.08, 0.53)),
        "WindDir3pm": Marginal(shares=_build_shares("ESE E ENE NE SE SSE SW S SSW WSW NNE W WNW N NW NNW", *(60, 60, 56, 59, 77, 67, 66, 70, 58, 67, 47, 72, 63, 63, 61, 56)), missing=0.029, loadings=(-0.14, 0, 0.15, 0.02, 0.7)),
        "WindSpeed9am": Marginal(quantiles=_build_quantiles(0, 0, 0, 7, 13, 19, 30, 39, 54, 130), missing=0.012, loadings=(0.06, -0.01, 0.08, 0.71, -0.06)),
        "WindSpeed3pm": Marginal(quantiles=_build_quantiles(0, 2, 6, 13, 19, 24, 35, 43, 56, 87), missing=0.021, loadings=(0.06, 0, 0.15, 0.71, 0.05)),
        "Humidity9am": Marginal(quantiles=_build_quantiles(0, 18, 34, 57, 70, 83, 98, 100, 100, 100), missing=0.018, loadings=(-0.39, 0.58, -0.04, -0.29, 0.01)),
        "Humidity3pm": Marginal(quantiles=_build_quantiles(0, 9, 17, 37, 52, 66, 88, 98, 100, 100), missing=0.031, loadings=(-0.28, 0.78, 0.04, -0.03, -0.1)),
        "Pressure9am": Marginal(quantiles=_build_quantiles(980.5, 1000.2, 1006.2, 1012.9, 1017.6, 1022.4, 1029.5, 1034, 1037.8, 1041), step=0.1, missing=0.022, missing_at=_list_stations_without("pressure"), loadings=(-0.26, -0.1, -0.9, -0.2, -0.09)),
        "Pressure3pm": Marginal(quantiles=_build_quantiles(977.1, 998.5, 1004, 1010.4, 1015.2, 1020, 1026.9, 1031.6, 1035.5, 1039.6), step=0.1, missing=0.022, missing_at=_list_stations_without("pressure"), loadings=(-0.31, -0.03, -0.93, -0.13, -0.1)),
        "Cloud9am": Marginal(shares=_build_shares("0 1 2 3 4 5 6 7 8 9", 96, 175, 73, 66, 49, 62, 91, 223, 164, 0.2), missing=0.189, missing_at=_list_stations_without("cloud"), loadings=(-0.08, 0.76, 0.05, 0.04, 0.04)),
        "Cloud3pm": Marginal(shares=_build_shares("0 1 2 3 4 5 6 7 8 9", 58, 174, 84, 80, 62, 79, 104, 212, 147, 0.2), missing=0.221, missing_at=_list_stations_without("cloud"), loadings=(-0.08, 0.76, 0.08, 0.06, 0.09)),
        "Temp9am": Marginal(quantiles=_build_quantiles(-7.2, 2.6, 6.9, 12.3, 16.7, 21.6, 28.2, 31.2, 35, 40.2), step=0.1, missing=0.012, loadings=(0.93, -0.06, 0.2, 0.11, -0.11), at_least="MinTemp", at_most="MaxTemp"),
        "Temp3pm": Marginal(quantiles=_build_quantiles(-5.4, 7.6, 11.6, 16.6, 21.1, 26.4, 33.7, 38.5, 42.3, 46.7), step=0.1, missing=0.025, loadings=(0.89, -0.36, 0.13, -0.06, -0.03), at_least="MinTemp", at_most="MaxTemp"),
        "RainToday": Switch(source="Rainfall", above=1, missing_with="Rainfall", high=Marginal(shares={"Yes": 1}), low=Marginal(shares={"No": 1})),
        "RainTomorrow": NextDay(source="RainToday"),
    },
)  # fmt: skip
