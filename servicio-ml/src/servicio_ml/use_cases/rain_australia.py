"""Rain in Australia: will it rain tomorrow at a weather station?"""

from servicio_ml.domain.derived import Cyclic, Derived, Difference, Lookup, Missing
from servicio_ml.domain.policy import DriftPolicy, PromotionPolicy
from servicio_ml.domain.sample import Factor, Marginal, Next, Panel, Sample, Switch
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, Parse
from servicio_ml.domain.search import Candidate, Choice, Integer, Real
from servicio_ml.domain.use_case import DateSplit, Origin, Target, Task, UseCase

DAYS_PER_YEAR = 365.2425
DEGREES_PER_POINT = 22.5
POINTS = (
    *("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE"),
    *("S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"),
)  # fmt: skip
SINE = (0.0, 0.382683, 0.707107, 0.92388, 1.0, 0.92388, 0.707107, 0.382683)
EAST = dict(zip(POINTS, (*SINE, *(-value for value in SINE)), strict=True))
NORTH = {point: EAST[POINTS[(i + 4) % len(POINTS)]] for i, point in enumerate(POINTS)}

STATIONS = {  # latitude and longitude in degrees, south and west negative
    "Adelaide": (-34.93, 138.60), "Albany": (-35.02, 117.88), "Albury": (-36.08, 146.92),
    "AliceSprings": (-23.70, 133.88), "BadgerysCreek": (-33.88, 150.73), "Ballarat": (-37.56, 143.85),
    "Bendigo": (-36.76, 144.28), "Brisbane": (-27.47, 153.03), "Cairns": (-16.92, 145.77),
    "Canberra": (-35.28, 149.13), "Cobar": (-31.50, 145.83), "CoffsHarbour": (-30.30, 153.11),
    "Dartmoor": (-37.92, 141.27), "Darwin": (-12.46, 130.84), "GoldCoast": (-28.02, 153.40),
    "Hobart": (-42.88, 147.33), "Katherine": (-14.47, 132.26), "Launceston": (-41.43, 147.14),
    "Melbourne": (-37.81, 144.96), "MelbourneAirport": (-37.67, 144.83), "Mildura": (-34.24, 142.09),
    "Moree": (-29.46, 149.84), "MountGambier": (-37.83, 140.78), "MountGinini": (-35.53, 148.77),
    "Newcastle": (-32.93, 151.78), "Nhil": (-36.33, 141.65), "NorahHead": (-33.28, 151.58),
    "NorfolkIsland": (-29.04, 167.95), "Nuriootpa": (-34.47, 138.99), "PearceRAAF": (-31.67, 116.02),
    "Penrith": (-33.75, 150.69), "Perth": (-31.95, 115.86), "PerthAirport": (-31.93, 115.97),
    "Portland": (-38.35, 141.60), "Richmond": (-33.60, 150.78), "Sale": (-38.10, 147.13),
    "SalmonGums": (-32.98, 121.64), "Sydney": (-33.87, 151.21), "SydneyAirport": (-33.95, 151.18),
    "Townsville": (-19.26, 146.82), "Tuggeranong": (-35.42, 149.09), "Uluru": (-25.34, 131.04),
    "WaggaWagga": (-35.16, 147.46), "Walpole": (-34.98, 116.73), "Watsonia": (-37.71, 145.08),
    "Williamtown": (-32.80, 151.84), "Witchcliffe": (-34.02, 115.10), "Wollongong": (-34.42, 150.89),
    "Woomera": (-31.16, 136.81),
}  # fmt: skip


def _number(
    name: str, column: str, description: str, unit: str, bounds: tuple[float, float], example: float
) -> Field:
    return Field(
        name=name, kind=Kind.NUMBER, column=column, description=description, unit=unit,
        minimum=bounds[0], maximum=bounds[1], example=example, nullable=True,
    )  # fmt: skip


def _wind(name: str, column: str, when: str, example: str) -> Field:
    return Field(
        name=name, kind=Kind.CATEGORY, column=column, description=f"Direction of the wind {when}",
        levels=POINTS, example=example, nullable=True,
    )  # fmt: skip


def _cloud(name: str, column: str, when: str) -> Field:
    return Field(
        name=name, kind=Kind.NUMBER, column=column, description=f"Sky covered by cloud at {when}",
        unit="oktas", minimum=0, maximum=8, example=5.0, nullable=True,
        parse=Parse(missing_numbers=(9,)),  # 9 is the code for a sky that could not be seen
    )  # fmt: skip


FIELDS = (
    Field(name="date", kind=Kind.DATE, column="Date", description="Day of observation", example="2016-06-15", direct=False),
    Field(
        name="location", kind=Kind.CATEGORY, column="Location", description="Weather station",
        levels=tuple(STATIONS), example="Sydney",
    ),
    _number("min_temp", "MinTemp", "Least temperature of the day", "°C", (-25, 45), 12.1),
    _number("max_temp", "MaxTemp", "Greatest temperature of the day", "°C", (-15, 55), 22.9),
    _number("rainfall", "Rainfall", "Rain in the 24 hours to 9am", "mm", (0, 1000), 0.6),
    _number("evaporation", "Evaporation", "Class A pan evaporation in the 24 hours to 9am", "mm", (0, 200), 4.6),
    _number("sunshine", "Sunshine", "Bright sunshine of the day", "h", (0, 16), 8.4),
    _wind("wind_gust_dir", "WindGustDir", "in the strongest gust of the day", "W"),
    _number("wind_gust_speed", "WindGustSpeed", "Speed of the strongest gust of the day", "km/h", (0, 250), 41.0),
    _wind("wind_dir_9am", "WindDir9am", "at 9am", "NW"),
    _wind("wind_dir_3pm", "WindDir3pm", "at 3pm", "SE"),
    _number("wind_speed_9am", "WindSpeed9am", "Wind speed over the 10 minutes to 9am", "km/h", (0, 200), 13.0),
    _number("wind_speed_3pm", "WindSpeed3pm", "Wind speed over the 10 minutes to 3pm", "km/h", (0, 200), 19.0),
    _number("humidity_9am", "Humidity9am", "Relative humidity at 9am", "%", (0, 100), 70.0),
    _number("humidity_3pm", "Humidity3pm", "Relative humidity at 3pm", "%", (0, 100), 52.0),
    _number("pressure_9am", "Pressure9am", "Pressure at sea level at 9am", "hPa", (900, 1060), 1017.6),
    _number("pressure_3pm", "Pressure3pm", "Pressure at sea level at 3pm", "hPa", (900, 1060), 1015.2),
    _cloud("cloud_9am", "Cloud9am", "9am"),
    _cloud("cloud_3pm", "Cloud3pm", "3pm"),
    _number("temp_9am", "Temp9am", "Temperature at 9am", "°C", (-25, 50), 16.7),
    _number("temp_3pm", "Temp3pm", "Temperature at 3pm", "°C", (-25, 55), 21.1),
    Field(
        name="rain_today", kind=Kind.CATEGORY, column="RainToday",
        description="Whether more than 1 mm fell in the 24 hours to 9am", levels=("No", "Yes"),
        example="No", nullable=True,
    ),
)  # fmt: skip

DERIVED: tuple[Derived, ...] = (
    Cyclic(name="season_sin", source="date", period=DAYS_PER_YEAR, wave="sin"),
    Cyclic(name="season_cos", source="date", period=DAYS_PER_YEAR, wave="cos"),
    Lookup(name="latitude", source="location", table={name: at[0] for name, at in STATIONS.items()}),
    Lookup(name="longitude", source="location", table={name: at[1] for name, at in STATIONS.items()}),
    *(Lookup(name=f"{wind}_east", source=wind, table=EAST) for wind in ("wind_gust_dir", "wind_dir_9am", "wind_dir_3pm")),
    *(Lookup(name=f"{wind}_north", source=wind, table=NORTH) for wind in ("wind_gust_dir", "wind_dir_9am", "wind_dir_3pm")),
    Difference(name="temp_range", minuend="max_temp", subtrahend="min_temp"),
    Difference(name="temp_change", minuend="temp_3pm", subtrahend="temp_9am"),
    Difference(name="humidity_change", minuend="humidity_3pm", subtrahend="humidity_9am"),
    Difference(name="pressure_change", minuend="pressure_3pm", subtrahend="pressure_9am"),
    *(Missing(name=f"{sensor}_missing", source=sensor) for sensor in ("sunshine", "evaporation", "cloud_3pm", "pressure_3pm")),
)  # fmt: skip

# The sample's numbers are summary statistics of 2007-11 to 2017-06. Its factors are those of a factor analysis
# (normal scores, varimax) in which the next day's rain takes part.
BARE = (
    "Albury", "BadgerysCreek", "Ballarat", "GoldCoast", "MountGinini", "Newcastle", "Nhil", "NorahHead", "Penrith",
    "SalmonGums", "Tuggeranong", "Uluru", "Walpole", "Witchcliffe", "Wollongong",
)  # fmt: skip
NO_EVAPORATION = (*BARE, "PearceRAAF")
NO_SUNSHINE = (*BARE, "Bendigo", "Katherine", "Launceston", "Richmond")
NO_CLOUD = (
    "Adelaide", "BadgerysCreek", "Dartmoor", "GoldCoast", "MountGinini", "Nhil", "NorahHead", "Penrith",
    "SalmonGums", "Tuggeranong", "Walpole", "Witchcliffe",
)  # fmt: skip
NO_PRESSURE = ("MountGinini", "Newcastle", "Penrith", "SalmonGums")
NO_GUST = ("Albany", "Newcastle")
CLIMATE = {  # of each station, the means of warmth, wetness, depression, wind and westerly
    "Adelaide": (0, -0.1, -0.2, -0.2, 0.3), "Albany": (-0.2, 0.5, -0.1, 0, -0.3),
    "Albury": (-0.3, -0.2, 0.1, -0.7, 0.2), "AliceSprings": (0.5, -0.9, 0.2, 0.1, -0.4),
    "BadgerysCreek": (0.1, 0, 0, -0.7, -0.1), "Ballarat": (-0.8, 0.2, 0, 0.4, 0.2),
    "Bendigo": (-0.4, -0.3, 0.1, -0.1, 0.2), "Brisbane": (0.6, 0.2, 0, -0.9, -0.6),
    "Cairns": (1.1, 0.5, 0.3, 0, -0.7), "Canberra": (-0.6, -0.3, 0, -0.1, 0.5), "Cobar": (0.2, -0.5, 0, -0.1, 0),
    "CoffsHarbour": (0.4, 0.4, -0.2, 0.1, -0.1), "Dartmoor": (-0.5, 0.3, 0, -0.2, 0.2),
    "Darwin": (1.5, 0.3, 0.6, -0.1, 0.1), "GoldCoast": (0.7, 0.6, -0.3, 0.5, -0.2),
    "Hobart": (-0.9, 0, 0.5, 0.4, 0.4), "Katherine": (1.4, -0.3, 0.6, -0.4, -0.4),
    "Launceston": (-0.7, 0.1, 0.2, -0.5, 0.8), "Melbourne": (-0.2, 0.1, -0.1, 0.5, 0.3),
    "MelbourneAirport": (-0.4, 0.1, -0.1, 0.6, 0.3), "Mildura": (0, -0.6, -0.1, -0.2, 0.3),
    "Moree": (0.4, -0.5, -0.1, 0, 0), "MountGambier": (-0.5, 0.2, -0.1, 0.3, 0.3),
    "MountGinini": (-1.7, 0.3, -0.2, 0.4, 0), "Newcastle": (0.2, 0.2, 0, -0.9, -0.1),
    "Nhil": (-0.4, -0.4, -0.1, 0.2, 0.3), "NorahHead": (0.3, 0.7, -0.2, 0.2, -0.1),
    "NorfolkIsland": (0.2, 0.6, -0.2, 0.5, -0.6), "Nuriootpa": (-0.3, -0.2, -0.1, 0.1, 0.1),
    "PearceRAAF": (0.3, -0.4, -0.1, 0.3, -0.2), "Penrith": (0.2, 0, 0, -0.9, 0.1),
    "Perth": (0.2, -0.3, 0, -0.3, -0.1), "PerthAirport": (0.2, -0.4, -0.1, 0.4, -0.2),
    "Portland": (-0.6, 0.5, 0, 0.3, 0.1), "Richmond": (0.1, -0.1, 0, -0.6, -0.1),
    "Sale": (-0.5, 0.1, 0.1, 0.1, -0.1), "SalmonGums": (0, -0.5, 0, 0, 0.1), "Sydney": (0.1, 0.2, -0.2, 0.2, -0.3),
    "SydneyAirport": (0.2, 0.2, -0.3, 0.7, 0), "Townsville": (1, 0.3, 0.2, 0.1, -0.8),
    "Tuggeranong": (-0.6, -0.4, 0.2, -0.5, 0.4), "Uluru": (0.6, -1.1, 0.1, 0.1, -0.4),
    "WaggaWagga": (-0.3, -0.4, 0, -0.3, 0), "Walpole": (-0.2, 0.6, -0.1, 0, 0),
    "Watsonia": (-0.3, 0.2, 0, -0.3, 0.2), "Williamtown": (0.2, 0.1, -0.2, 0.2, 0.1),
    "Witchcliffe": (-0.1, 0.3, -0.2, 0.1, 0.1), "Wollongong": (0.1, 0.6, -0.2, 0.5, -0.1),
    "Woomera": (0.3, -0.8, -0.2, 0.4, 0.1),
}  # fmt: skip


def _factor(i: int, name: str, *, season: float, peak: int, persistence: float) -> Factor:
    levels = {station: means[i] for station, means in CLIMATE.items()}
    return Factor(name=name, season=season, peak=peak, persistence=persistence, levels=levels)


def _at(*values: float) -> dict[float, float]:
    return dict(zip((0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1), values, strict=True))


def _shares(levels: str, *permille: float) -> dict[str, float]:
    return dict(zip(levels.split(), permille, strict=True))


SAMPLE = Sample(
    rows=20_000,
    panel=Panel(date="Date", entity="Location", entities=tuple(STATIONS), last="2017-06-25"),
    missing="NA",
    factors=(
        _factor(0, "warmth", season=0.6, peak=19, persistence=0.7),
        _factor(1, "wetness", season=0.14, peak=138, persistence=0.65),
        _factor(2, "depression", season=0.23, peak=353, persistence=0.75),
        _factor(3, "wind", season=0.18, peak=314, persistence=0.4),
        _factor(4, "westerly", season=0.13, peak=214, persistence=0.4),
    ),
    columns={
        "MinTemp": Marginal(quantiles=_at(-8.5, -1.9, 1.8, 7.6, 12, 16.9, 23, 25.8, 28.1, 33.9), step=0.1, missing=0.01, loadings=(0.85, 0.19, 0.22, 0.13, -0.15)),
        "MaxTemp": Marginal(quantiles=_at(-4.8, 9, 12.8, 17.9, 22.6, 28.2, 35.5, 40.1, 43.8, 48.1), step=0.1, missing=0.009, loadings=(0.91, -0.32, 0.16, -0.04, -0.03), at_least="MinTemp"),
        "Rainfall": Marginal(  # loadings a tenth greater than measured, which makes up for what factors leave out
            quantiles={
                0: 0, 0.64: 0, 0.66: 0.2, 0.7: 0.3, 0.75: 0.8, 0.776: 1.1, 0.8: 1.6, 0.85: 3.2, 0.9: 6.2, 0.95: 13,
                0.98: 25.2, 0.99: 37.4, 0.995: 53, 0.999: 102, 1: 371,
            },
            step=0.2, missing=0.022, loadings=(-0.1, 0.76, 0.29, 0.15, 0.06), lag=1,
        ),
        "Evaporation": Marginal(quantiles=_at(0, 0.4, 1, 2.6, 4.8, 7.4, 12, 18.4, 42.5, 145), step=0.2, missing=0.173, missing_at=NO_EVAPORATION, loadings=(0.61, -0.32, 0.16, 0.23, -0.12)),
        "Sunshine": Marginal(quantiles=_at(0, 0, 0.3, 4.8, 8.4, 10.6, 12.8, 13.4, 13.8, 14.5), step=0.1, missing=0.181, missing_at=NO_SUNSHINE, loadings=(0.24, -0.82, 0.01, 0.02, -0.09)),
        "WindGustDir": Marginal(shares=_shares("E ENE ESE SE NE SSE SW SSW S NNE WSW W N WNW NNW NW", *(68, 60, 55, 70, 53, 68, 66, 65, 68, 48, 67, 73, 69, 61, 49, 60)), missing=0.03, missing_at=NO_GUST, loadings=(-0.17, 0.06, 0.13, 0.06, 0.82)),
        "WindGustSpeed": Marginal(quantiles=_at(6, 15, 20, 31, 39, 48, 65, 81, 100, 135), missing_with="WindGustDir", loadings=(0.07, 0.03, 0.29, 0.86, 0.1)),
        "WindDir9am": Marginal(shares=_shares("E ESE SE ENE SSE S NE SSW SW WSW W NNE WNW NW N NNW", *(68, 57, 69, 58, 68, 64, 57, 56, 62, 52, 63, 60, 55, 65, 87, 59)), missing=0.073, loadings=(-0.17, 0.12, 0.13, 0.08, 0.53)),
        "WindDir3pm": Marginal(shares=_shares("ESE E ENE NE SE SSE SW S SSW WSW NNE W WNW N NW NNW", *(60, 60, 56, 59, 77, 67, 66, 70, 58, 67, 47, 72, 63, 63, 61, 56)), missing=0.029, loadings=(-0.14, 0, 0.15, 0.02, 0.7)),
        "WindSpeed9am": Marginal(quantiles=_at(0, 0, 0, 7, 13, 19, 30, 39, 54, 130), missing=0.012, loadings=(0.06, -0.01, 0.08, 0.71, -0.06)),
        "WindSpeed3pm": Marginal(quantiles=_at(0, 2, 6, 13, 19, 24, 35, 43, 56, 87), missing=0.021, loadings=(0.06, 0, 0.15, 0.71, 0.05)),
        "Humidity9am": Marginal(quantiles=_at(0, 18, 34, 57, 70, 83, 98, 100, 100, 100), missing=0.018, loadings=(-0.39, 0.58, -0.04, -0.29, 0.01)),
        "Humidity3pm": Marginal(quantiles=_at(0, 9, 17, 37, 52, 66, 88, 98, 100, 100), missing=0.031, loadings=(-0.28, 0.78, 0.04, -0.03, -0.1)),
        "Pressure9am": Marginal(quantiles=_at(980.5, 1000.2, 1006.2, 1012.9, 1017.6, 1022.4, 1029.5, 1034, 1037.8, 1041), step=0.1, missing=0.022, missing_at=NO_PRESSURE, loadings=(-0.26, -0.1, -0.9, -0.2, -0.09)),
        "Pressure3pm": Marginal(quantiles=_at(977.1, 998.5, 1004, 1010.4, 1015.2, 1020, 1026.9, 1031.6, 1035.5, 1039.6), step=0.1, missing=0.022, missing_at=NO_PRESSURE, loadings=(-0.31, -0.03, -0.93, -0.13, -0.1)),
        "Cloud9am": Marginal(shares=_shares("0 1 2 3 4 5 6 7 8 9", 96, 175, 73, 66, 49, 62, 91, 223, 164, 0.2), missing=0.189, missing_at=NO_CLOUD, loadings=(-0.08, 0.76, 0.05, 0.04, 0.04)),
        "Cloud3pm": Marginal(shares=_shares("0 1 2 3 4 5 6 7 8 9", 58, 174, 84, 80, 62, 79, 104, 212, 147, 0.2), missing=0.221, missing_at=NO_CLOUD, loadings=(-0.08, 0.76, 0.08, 0.06, 0.09)),
        "Temp9am": Marginal(quantiles=_at(-7.2, 2.6, 6.9, 12.3, 16.7, 21.6, 28.2, 31.2, 35, 40.2), step=0.1, missing=0.012, loadings=(0.93, -0.06, 0.2, 0.11, -0.11), at_least="MinTemp", at_most="MaxTemp"),
        "Temp3pm": Marginal(quantiles=_at(-5.4, 7.6, 11.6, 16.6, 21.1, 26.4, 33.7, 38.5, 42.3, 46.7), step=0.1, missing=0.025, loadings=(0.89, -0.36, 0.13, -0.06, -0.03), at_least="MinTemp", at_most="MaxTemp"),
        "RainToday": Switch(
            source="Rainfall", above=1, missing_with="Rainfall",
            high=Marginal(shares={"Yes": 1}), low=Marginal(shares={"No": 1}),
        ),
        "RainTomorrow": Next(source="RainToday"),
    },
)  # fmt: skip

CANDIDATES = (
    Candidate(
        name="lightgbm", family="lightgbm",
        space={
            "num_leaves": Integer(low=48, high=192, log=True),
            "learning_rate": Real(low=0.03, high=0.1, log=True),
            "n_estimators": Integer(low=300, high=600),
            "min_child_samples": Integer(low=20, high=200, log=True),
            "colsample_bytree": Real(low=0.3, high=1.0),
            "reg_lambda": Real(low=0.01, high=20.0, log=True),
        },
        start={
            "num_leaves": 63, "learning_rate": 0.05, "n_estimators": 400, "min_child_samples": 60,
            "colsample_bytree": 0.5, "reg_lambda": 5.0,
        },
    ),
    Candidate(
        name="random_forest", family="random_forest", tuning_rows=20_000,
        space={
            "max_depth": Integer(low=10, high=20),
            "min_samples_leaf": Integer(low=5, high=40, log=True),
            "max_features": Real(low=0.1, high=0.6),
        },
        start={"max_depth": 16, "min_samples_leaf": 8, "max_features": 0.3},
        fixed={"n_estimators": 100, "max_samples": 0.3},
    ),
    Candidate(
        name="logistic_regression", family="logistic_regression", tuning_rows=40_000,
        space={"C": Real(low=0.001, high=10.0, log=True)},
        start={"C": 0.1},
    ),
    Candidate(
        name="decision_tree", family="decision_tree", tuning_rows=60_000,
        space={
            "max_depth": Integer(low=4, high=14),
            "min_samples_leaf": Integer(low=20, high=500, log=True),
            "criterion": Choice(options=("gini", "log_loss")),
        },
        start={"max_depth": 8, "min_samples_leaf": 100, "criterion": "log_loss"},
    ),
)  # fmt: skip

USE_CASE = UseCase(
    name="rain_australia",
    title="Rain in Australia",
    description=(
        "Whether more than 1 mm of rain falls tomorrow, from today's observations at 49 stations of the"
        " Australian Bureau of Meteorology."
    ),
    task=Task.BINARY,
    schema=FeatureSchema(fields=FIELDS, derived=DERIVED),
    target=Target(
        name="rain_tomorrow", column="RainTomorrow", description="Whether it rains tomorrow",
        labels=("No", "Yes"),
    ),
    candidates=CANDIDATES,
    metric="roc_auc",
    split=DateSplit(field="date", test_share=0.2, folds=3),
    promotion=PromotionPolicy(metric="roc_auc", floor=0.8, margin=0.002, slices=("location",), max_slice_loss=0.03),
    origin=Origin(file="weatherAUS.csv", kaggle="jsphyg/weather-dataset-rattle-package", licence="see the publisher"),
    sample=SAMPLE,
    # The weather of one month is no random sample of ten years' months: indices up to 0.25 come and go. The
    # stations have a day's weather in common: accuracy varies 5 times, most fields' shares vary 5 to 10 times as much.
    drift=DriftPolicy(bins=10, practical_psi=0.25, false_alarm_rate=0.05, design_effect=6, season="date"),
    event_date="date",
    deduplicate=False,
)  # fmt: skip
