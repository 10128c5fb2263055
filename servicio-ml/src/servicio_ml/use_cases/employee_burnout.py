"""Employee burnout: in which class is an employee's burn rate?"""

from functools import partial

from servicio_ml.domain.derived import Cyclic, Missing
from servicio_ml.domain.policy import DriftPolicy, PromotionPolicy
from servicio_ml.domain.sample import Factor, Marginal, Switch, SyntheticSample, Text
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.domain.search import Candidate, Choice, Integer, Real
from servicio_ml.domain.use_case import HashedSplit, Origin, Target, Task, UseCase

LOW_BELOW, HIGH_FROM = 0.33, 0.66
DAYS_PER_YEAR = 365.2425

# columns that only the enriched file has
build_optional = partial(Field, kind=Kind.NUMBER, nullable=True, optional=True)
FIELDS = (
    Field(name="date_of_joining", kind=Kind.DATE, column="Date of Joining", description="Date of joining", example="2008-06-30", nullable=True),
    Field(name="gender", kind=Kind.CATEGORY, column="Gender", description="Gender", levels=("Female", "Male"), example="Female"),
    Field(name="company_type", kind=Kind.CATEGORY, column="Company Type", description="Company type", levels=("Product", "Service"), example="Service"),
    Field(name="wfh_setup_available", kind=Kind.CATEGORY, column="WFH Setup Available", description="Work from home available", levels=("No", "Yes"), example="Yes"),
    Field(name="designation", kind=Kind.NUMBER, column="Designation", description="Seniority (0 = lowest)", minimum=0, maximum=5, example=2.0),
    Field(name="resource_allocation", kind=Kind.NUMBER, column="Resource Allocation", description="Allocated working hours (1 = fewest)", minimum=1, maximum=10, example=5.0, nullable=True),
    Field(name="mental_fatigue_score", kind=Kind.NUMBER, column="Mental Fatigue Score", description="Mental fatigue (10 = worst)", minimum=0, maximum=10, example=5.9, nullable=True),
    build_optional(name="years_in_company", column="Years in Company", description="Time in the company", unit="years", minimum=0, maximum=60, example=16.0),
    build_optional(name="work_hours_per_week", column="Work Hours per Week", description="Weekly working time", unit="h", minimum=0, maximum=120, example=48.0),
    build_optional(name="sleep_hours", column="Sleep Hours", description="Sleep per night", unit="h", minimum=0, maximum=24, example=6.5),
    build_optional(name="work_life_balance_score", column="Work-Life Balance Score", description="Work-life balance (5 = best)", minimum=1, maximum=5, example=3.0),
    build_optional(name="manager_support_score", column="Manager Support Score", description="Manager support (5 = best)", minimum=1, maximum=5, example=3.0),
    build_optional(name="deadline_pressure_score", column="Deadline Pressure Score", description="Deadline pressure (5 = worst)", minimum=1, maximum=5, example=3.0),
    build_optional(name="team_size", column="Team Size", description="Team size", minimum=1, maximum=200, example=10.0),
    build_optional(name="recognition_frequency", column="Recognition Frequency", description="Recognition frequency (5 = most often)", minimum=0, maximum=5, example=2.0),
)  # fmt: skip

SCHEMA = FeatureSchema(
    fields=FIELDS,
    derived=(
        Cyclic(name="joining_season_sin", source="date_of_joining", period=DAYS_PER_YEAR, wave="sin"),
        Missing(name="mental_fatigue_score_missing", source="mental_fatigue_score"),
        Missing(name="resource_allocation_missing", source="resource_allocation"),
    ),
)

ORIGIN = Origin(
    file="train.csv", kaggle="blurredmachine/are-your-employees-burning-out", licence="see the publisher"
)


def _build_uniform_integers(low: int, high: int) -> Marginal:
    """Every whole number from `low` to `high` equally often."""
    return Marginal(quantiles={0: low - 0.5, 1: high + 0.5})


def _build_sleep_hours(mean: float) -> Marginal:
    spread = {0: -1.7, 0.05: -0.8, 0.25: -0.3, 0.5: 0.0, 0.75: 0.3, 0.95: 0.8, 1: 1.8}
    return Marginal(quantiles={chance: mean + value for chance, value in spread.items()}, step=0.1)


def _build_switch(low: Marginal, high: Marginal) -> Switch:
    """The enriched file's scores were made up from the burn rate: they part at 0.4, four of them without overlap."""
    return Switch(source="Burn Rate", above=0.4, low=low, high=high)


# The sample's numbers are summary statistics of the enriched file and the factors of a factor analysis.
SAMPLE = SyntheticSample(
    rows=5000,
    factors=(Factor(name="strain"), Factor(name="seniority")),
    columns={
        "Employee ID": Text(templates={"fffe" + "".join(f"3{{row[{digit}]}}00" for digit in range(6)): 1}),
        "Date of Joining": Marginal(dates=("2008-01-01", "2008-12-31")),
        "Gender": Marginal(shares={"Female": 522, "Male": 478}, loadings=(0.2, 0.03)),
        "Company Type": Marginal(shares={"Product": 348, "Service": 652}),
        "WFH Setup Available": Marginal(shares={"Yes": 541, "No": 459}, loadings=(0.38, 0.08)),
        "Designation": Marginal(shares={"0": 67, "1": 215, "2": 333, "3": 262, "4": 106, "5": 17}, loadings=(0.67, 0.66)),
        "Resource Allocation": Marginal(
            shares={f"{hours}.0": share for hours, share in enumerate((84, 97, 149, 182, 180, 138, 93, 48, 21, 8), 1)},
            missing=0.059, loadings=(0.79, 0.57),
        ),
        "Mental Fatigue Score": Marginal(
            quantiles={0: 0, 0.01: 0.2, 0.05: 2.3, 0.1: 3.2, 0.25: 4.6, 0.5: 5.9, 0.75: 7.1, 0.9: 8.1, 0.95: 8.7, 0.99: 9.7, 1: 10},
            step=0.1, number_format="", missing=0.093, loadings=(0.96, 0.14),
        ),
        "Burn Rate": Marginal(
            quantiles={0: 0, 0.01: 0, 0.05: 0.12, 0.1: 0.19, 0.25: 0.31, 0.5: 0.45, 0.75: 0.59, 0.9: 0.71, 0.95: 0.78, 0.99: 0.92, 1: 1},
            step=0.01, number_format="", missing=0.049, loadings=(0.97, 0.17),
        ),
        "Years in Company": Marginal(shares={"16": 984, "17": 16}),
        "Work Hours per Week": _build_switch(_build_uniform_integers(35, 44), _build_uniform_integers(48, 59)),
        "Sleep Hours": _build_switch(_build_sleep_hours(7.0), _build_sleep_hours(5.5)),
        "Work-Life Balance Score": _build_switch(_build_uniform_integers(3, 5), _build_uniform_integers(1, 2)),
        "Manager Support Score": _build_switch(_build_uniform_integers(3, 5), _build_uniform_integers(1, 3)),
        "Deadline Pressure Score": _build_switch(_build_uniform_integers(1, 3), _build_uniform_integers(4, 5)),
        "Team Size": _build_uniform_integers(3, 19),
        "Recognition Frequency": _build_switch(_build_uniform_integers(2, 5), _build_uniform_integers(0, 1)),
    },
)  # fmt: skip

USE_CASE = UseCase(
    name="employee_burnout",
    title="Employee burnout",
    description=f"Low below a burn rate of {LOW_BELOW}, high from {HIGH_FROM}, medium between.",
    task=Task.MULTICLASS,
    schema=SCHEMA,
    target=Target(
        name="burnout", column="Burn Rate", description="Class of the burn rate",
        labels=("Low", "Medium", "High"), edges=(LOW_BELOW, HIGH_FROM), minimum=0, maximum=1,
    ),
    candidates=(
        Candidate(
            name="lightgbm", family="lightgbm",
            space={
                "n_estimators": Integer(low=100, high=500),
                "num_leaves": Integer(low=8, high=64, log=True),
                "learning_rate": Real(low=0.02, high=0.15, log=True),
                "min_child_samples": Integer(low=10, high=100, log=True),
                "colsample_bytree": Real(low=0.4, high=1.0),
            },
            start={
                "n_estimators": 250, "num_leaves": 15, "learning_rate": 0.05, "min_child_samples": 40,
                "colsample_bytree": 0.7,
            },
        ),
        Candidate(
            name="knn", family="knn", tuning_rows=6000, max_latency_seconds=0.05,
            # weights by distance come out wrong from the ONNX converter, and other metrics are worse here
            space={"n_neighbors": Integer(low=5, high=60, log=True)},
            start={"n_neighbors": 20}, fixed={"max_train_rows": 3000, "weights": "uniform"},
        ),
        Candidate(
            name="svm", family="svm", tuning_rows=4000,
            space={
                "C": Real(low=0.1, high=30.0, log=True), "gamma": Real(low=0.005, high=0.5, log=True),
                "kernel": Choice(options=("rbf", "linear")),
            },
            start={"C": 3.0, "gamma": 0.05, "kernel": "rbf"}, fixed={"max_train_rows": 6000},
        ),
    ),
    metric="f1_macro",
    split=HashedSplit(test_share=0.2, folds=5),
    promotion=PromotionPolicy(
        metric="f1_macro", floor=0.75, margin=0.005, slices=("gender", "company_type"), max_slice_loss=0.03
    ),
    origin=ORIGIN,
    sample=SAMPLE,
    drift=DriftPolicy(bins=10, practical_psi=0.1, false_alarm_rate=0.05),
    deduplicate=True,
)  # fmt: skip
