"""Rain in Australia: will it rain tomorrow at a weather station?"""

from functools import partial

from servicio_ml.domain.derived import Cyclic, Derived, Difference, Lookup, Missing
from servicio_ml.domain.fields.segment import Segment
from servicio_ml.domain.policy import DriftPolicy, PromotionPolicy
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, Parse
from servicio_ml.domain.search import Candidate, Choice, Integer, Real
from servicio_ml.domain.use_case import DateSplit, Origin, Target, Task, UseCase
from servicio_ml.use_cases.samples.rain_australia import SAMPLE, STATIONS

POINTS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")
SINE = (0.0, 0.382683, 0.707107, 0.92388, 1.0, 0.92388, 0.707107, 0.382683)
EAST = dict(zip(POINTS, (*SINE, *(-value for value in SINE)), strict=True))
NORTH = {point: EAST[POINTS[(i + 4) % len(POINTS)]] for i, point in enumerate(POINTS)}
WINDS = ("wind_gust_dir", "wind_dir_9am", "wind_dir_3pm")
SENSORS = ("sunshine", "evaporation", "cloud_3pm", "pressure_3pm")

build_number = partial(Field, kind=Kind.NUMBER, nullable=True)
build_wind = partial(Field, kind=Kind.CATEGORY, levels=POINTS, nullable=True)
FIELDS = (
    Field(name="date", kind=Kind.DATE, column="Date", description="Day of observation", example="2016-06-15", direct=False),
    Field(name="location", kind=Kind.CATEGORY, column="Location", description="Weather station", levels=tuple(STATIONS), example="Sydney"),
    build_number(name="min_temp", column="MinTemp", description="Minimum temperature", unit="°C", minimum=-25, maximum=45, example=12.1),
    build_number(name="max_temp", column="MaxTemp", description="Maximum temperature", unit="°C", minimum=-15, maximum=55, example=22.9),
    build_number(name="rainfall", column="Rainfall", description="Rainfall in the 24 hours to 9am", unit="mm", minimum=0, maximum=1000, example=0.6),
    build_number(name="evaporation", column="Evaporation", description="Evaporation in the 24 hours to 9am", unit="mm", minimum=0, maximum=200, example=4.6),
    build_number(name="sunshine", column="Sunshine", description="Hours of sunshine", unit="h", minimum=0, maximum=16, example=8.4),
    build_wind(name="wind_gust_dir", column="WindGustDir", description="Wind gust direction", example="W"),
    build_number(name="wind_gust_speed", column="WindGustSpeed", description="Wind gust speed", unit="km/h", minimum=0, maximum=250, example=41.0),
    build_wind(name="wind_dir_9am", column="WindDir9am", description="Wind direction at 9am", example="NW"),
    build_wind(name="wind_dir_3pm", column="WindDir3pm", description="Wind direction at 3pm", example="SE"),
    build_number(name="wind_speed_9am", column="WindSpeed9am", description="Wind speed at 9am", unit="km/h", minimum=0, maximum=200, example=13.0),
    build_number(name="wind_speed_3pm", column="WindSpeed3pm", description="Wind speed at 3pm", unit="km/h", minimum=0, maximum=200, example=19.0),
    build_number(name="humidity_9am", column="Humidity9am", description="Relative humidity at 9am", unit="%", minimum=0, maximum=100, example=70.0),
    build_number(name="humidity_3pm", column="Humidity3pm", description="Relative humidity at 3pm", unit="%", minimum=0, maximum=100, example=52.0),
    build_number(name="pressure_9am", column="Pressure9am", description="Pressure at sea level at 9am", unit="hPa", minimum=900, maximum=1060, example=1017.6),
    build_number(name="pressure_3pm", column="Pressure3pm", description="Pressure at sea level at 3pm", unit="hPa", minimum=900, maximum=1060, example=1015.2),
    # 9 is the code for a sky that could not be seen
    build_number(name="cloud_9am", column="Cloud9am", description="Cloud cover at 9am", unit="oktas", minimum=0, maximum=8, example=5.0, parse=Parse(missing_numbers=(9,))),
    build_number(name="cloud_3pm", column="Cloud3pm", description="Cloud cover at 3pm", unit="oktas", minimum=0, maximum=8, example=5.0, parse=Parse(missing_numbers=(9,))),
    build_number(name="temp_9am", column="Temp9am", description="Temperature at 9am", unit="°C", minimum=-25, maximum=50, example=16.7),
    build_number(name="temp_3pm", column="Temp3pm", description="Temperature at 3pm", unit="°C", minimum=-25, maximum=55, example=21.1),
    Field(name="rain_today", kind=Kind.CATEGORY, column="RainToday", description="Rain today (more than 1 mm)", levels=("No", "Yes"), nullable=True),
)  # fmt: skip

DERIVED: tuple[Derived, ...] = (
    Cyclic(name="season_sin", source="date", period=365.2425, wave="sin"),
    Cyclic(name="season_cos", source="date", period=365.2425, wave="cos"),
    # in degrees, south and west negative
    *(Lookup(name=name, source="location", table={each: float(row[name]) for each, row in STATIONS.items()}) for name in ("latitude", "longitude")),
    *(Lookup(name=f"{wind}_{axis}", source=wind, table=table) for axis, table in (("east", EAST), ("north", NORTH)) for wind in WINDS),
    Difference(name="temp_range", minuend="max_temp", subtrahend="min_temp"),
    Difference(name="temp_change", minuend="temp_3pm", subtrahend="temp_9am"),
    Difference(name="humidity_change", minuend="humidity_3pm", subtrahend="humidity_9am"),
    Difference(name="pressure_change", minuend="pressure_3pm", subtrahend="pressure_9am"),
    *(Missing(name=f"{sensor}_missing", source=sensor) for sensor in SENSORS),
)  # fmt: skip

CANDIDATES = (
    Candidate(
        name="lightgbm", family="lightgbm",
        space={
            "num_leaves": Integer(low=48, high=192, log=True), "learning_rate": Real(low=0.03, high=0.1, log=True), "n_estimators": Integer(low=300, high=600),
            "min_child_samples": Integer(low=20, high=200, log=True), "colsample_bytree": Real(low=0.3, high=1.0), "reg_lambda": Real(low=0.01, high=20.0, log=True),
        },
        start={"num_leaves": 63, "learning_rate": 0.05, "n_estimators": 400, "min_child_samples": 60, "colsample_bytree": 0.5, "reg_lambda": 5.0},
    ),
    Candidate(
        name="random_forest", family="random_forest", tuning_rows=20_000,
        space={"max_depth": Integer(low=10, high=20), "min_samples_leaf": Integer(low=5, high=40, log=True), "max_features": Real(low=0.1, high=0.6)},
        start={"max_depth": 16, "min_samples_leaf": 8, "max_features": 0.3}, fixed={"n_estimators": 100, "max_samples": 0.3},
    ),
    Candidate(name="logistic_regression", family="logistic_regression", tuning_rows=40_000, space={"C": Real(low=0.001, high=10.0, log=True)}, start={"C": 0.1}),
    Candidate(
        name="decision_tree", family="decision_tree", tuning_rows=60_000,
        space={"max_depth": Integer(low=4, high=14), "min_samples_leaf": Integer(low=20, high=500, log=True), "criterion": Choice(options=("gini", "log_loss"))},
        start={"max_depth": 8, "min_samples_leaf": 100, "criterion": "log_loss"},
    ),
)  # fmt: skip

USE_CASE = UseCase(
    name="rain_australia",
    title="Rain in Australia",
    description="Whether more than 1 mm of rain falls tomorrow, from today's observations at 49 stations of the Australian Bureau of Meteorology.",
    task=Task.BINARY,
    schema=FeatureSchema(fields=FIELDS, derived=DERIVED),
    target=Target(name="rain_tomorrow", column="RainTomorrow", description="Rain tomorrow", labels=("No", "Yes")),
    candidates=CANDIDATES,
    metric="roc_auc",
    split=DateSplit(field="date", test_share=0.2, folds=3),
    promotion=PromotionPolicy(metric="roc_auc", floor=0.8, margin=0.002, slices=("location",), max_slice_loss=0.03),
    origin=Origin(file="weatherAUS.csv", kaggle="jsphyg/weather-dataset-rattle-package", licence="see the publisher"),
    sample=SAMPLE,
    segments=(Segment(field="location", maximum=len(STATIONS)),),
    # The weather of one month is no random sample of ten years' months: indices up to 0.25 come and go. The
    # stations have a day's weather in common: accuracy varies 5 times, most fields' shares vary 5 to 10 times as much.
    drift=DriftPolicy(bins=10, practical_psi=0.25, false_alarm_rate=0.05, design_effect=6, season="date"),
    event_date="date",
    deduplicate=False,
)  # fmt: skip
