"""Rain in Australia: will it rain tomorrow at a weather station?"""

from servicio_ml.domain.derived import Cyclic, Derived, Difference, Lookup, Missing
from servicio_ml.domain.policy import DriftPolicy, PromotionPolicy
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, Parse
from servicio_ml.domain.search import Candidate, Choice, Integer, Real
from servicio_ml.domain.use_case import DateSplit, Origin, Target, Task, UseCase
from servicio_ml.use_cases.samples.rain_australia import SAMPLE

DAYS_PER_YEAR = 365.2425
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


def _build_number_field(
    name: str, column: str, description: str, unit: str, bounds: tuple[float, float], example: float
) -> Field:
    return Field(
        name=name, kind=Kind.NUMBER, column=column, description=description, unit=unit,
        minimum=bounds[0], maximum=bounds[1], example=example, nullable=True,
    )  # fmt: skip


def _build_wind_field(name: str, column: str, what: str, example: str) -> Field:
    return Field(
        name=name, kind=Kind.CATEGORY, column=column, description=f"Wind {what}",
        levels=POINTS, example=example, nullable=True,
    )  # fmt: skip


def _build_cloud_field(name: str, column: str, when: str) -> Field:
    return Field(
        name=name, kind=Kind.NUMBER, column=column, description=f"Cloud cover at {when}",
        unit="oktas", minimum=0, maximum=8, example=5.0, nullable=True,
        parse=Parse(missing_numbers=(9,)),  # 9 is the code for a sky that could not be seen
    )  # fmt: skip


FIELDS = (
    Field(name="date", kind=Kind.DATE, column="Date", description="Day of observation", example="2016-06-15", direct=False),
    Field(
        name="location", kind=Kind.CATEGORY, column="Location", description="Weather station",
        levels=tuple(STATIONS), example="Sydney",
    ),
    _build_number_field("min_temp", "MinTemp", "Minimum temperature", "°C", (-25, 45), 12.1),
    _build_number_field("max_temp", "MaxTemp", "Maximum temperature", "°C", (-15, 55), 22.9),
    _build_number_field("rainfall", "Rainfall", "Rainfall in the 24 hours to 9am", "mm", (0, 1000), 0.6),
    _build_number_field("evaporation", "Evaporation", "Evaporation in the 24 hours to 9am", "mm", (0, 200), 4.6),
    _build_number_field("sunshine", "Sunshine", "Hours of sunshine", "h", (0, 16), 8.4),
    _build_wind_field("wind_gust_dir", "WindGustDir", "gust direction", "W"),
    _build_number_field("wind_gust_speed", "WindGustSpeed", "Wind gust speed", "km/h", (0, 250), 41.0),
    _build_wind_field("wind_dir_9am", "WindDir9am", "direction at 9am", "NW"),
    _build_wind_field("wind_dir_3pm", "WindDir3pm", "direction at 3pm", "SE"),
    _build_number_field("wind_speed_9am", "WindSpeed9am", "Wind speed at 9am", "km/h", (0, 200), 13.0),
    _build_number_field("wind_speed_3pm", "WindSpeed3pm", "Wind speed at 3pm", "km/h", (0, 200), 19.0),
    _build_number_field("humidity_9am", "Humidity9am", "Relative humidity at 9am", "%", (0, 100), 70.0),
    _build_number_field("humidity_3pm", "Humidity3pm", "Relative humidity at 3pm", "%", (0, 100), 52.0),
    _build_number_field("pressure_9am", "Pressure9am", "Pressure at sea level at 9am", "hPa", (900, 1060), 1017.6),
    _build_number_field("pressure_3pm", "Pressure3pm", "Pressure at sea level at 3pm", "hPa", (900, 1060), 1015.2),
    _build_cloud_field("cloud_9am", "Cloud9am", "9am"),
    _build_cloud_field("cloud_3pm", "Cloud3pm", "3pm"),
    _build_number_field("temp_9am", "Temp9am", "Temperature at 9am", "°C", (-25, 50), 16.7),
    _build_number_field("temp_3pm", "Temp3pm", "Temperature at 3pm", "°C", (-25, 55), 21.1),
    Field(
        name="rain_today", kind=Kind.CATEGORY, column="RainToday",
        description="Rain today (more than 1 mm)", levels=("No", "Yes"),
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
        name="rain_tomorrow", column="RainTomorrow", description="Rain tomorrow",
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
