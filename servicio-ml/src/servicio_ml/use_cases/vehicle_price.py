"""Used-car prices: what does a car sell for?"""

from servicio_ml.domain.derived import Ratio, TargetMean
from servicio_ml.domain.fields.words import LearnedWords
from servicio_ml.domain.policy import DriftPolicy, PromotionPolicy
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, LearnedLevels, Parse
from servicio_ml.domain.search import Candidate, Integer, Real
from servicio_ml.domain.use_case import HashedSplit, Origin, Target, Task, UseCase
from servicio_ml.use_cases.samples.vehicle_price import NEWTON_METRES_PER_KILOGRAM_FORCE_METRE, SAMPLE

KILOGRAMS_CNG_PER_LITRE_PETROL = 0.678  # gasoline litre equivalent, NIST Handbook 130

BRANDS = (
    *(
        "Ambassador",
        "Ashok",
        "Audi",
        "BMW",
        "Chevrolet",
        "Daewoo",
        "Datsun",
        "Fiat",
        "Force",
        "Ford",
        "Honda",
    ),
    *("Hyundai", "Isuzu", "Jaguar", "Jeep", "Kia", "Land", "Lexus", "MG", "Mahindra", "Maruti"),
    *("Mercedes-Benz", "Mitsubishi", "Nissan", "Opel", "Peugeot", "Renault", "Skoda", "Tata", "Toyota"),
    *("Volkswagen", "Volvo"),
)

FIELDS = (
    Field(
        name="brand", kind=Kind.CATEGORY, column="name", description="Make",
        levels=BRANDS, example="Maruti", parse=Parse(pattern=r"^\s*(\S+)"),
    ),
    Field(
        name="model_name", kind=Kind.CATEGORY, column="name", description="Model: the word after the make",
        learned_levels=LearnedLevels(maximum=150, minimum_rows=10), example="Swift",
        parse=Parse(pattern=r"^\s*\S+\s+(\S+)"),
    ),
    Field(
        name="variant", kind=Kind.TEXT, column="name", description="Variant: the words after the model",
        learned_words=LearnedWords(maximum=300, minimum_rows=5), example="Dzire VDI", nullable=True,
        # a name without more words matches with an empty group: missing
        parse=Parse(pattern=r"^\s*\S+\s*\S*\s*(.*)"),
    ),
    Field(
        name="year", kind=Kind.INTEGER, column="year", description="Year of manufacture",
        minimum=1970, maximum=2030, example=2014,
    ),
    Field(
        name="km_driven", kind=Kind.NUMBER, column="km_driven", description="Distance driven", unit="km",
        minimum=0, maximum=3_000_000, example=70_000.0,
    ),
    Field(
        name="fuel", kind=Kind.CATEGORY, column="fuel", description="Fuel",
        levels=("CNG", "Diesel", "LPG", "Petrol"), example="Diesel",
    ),
    Field(
        name="seller_type", kind=Kind.CATEGORY, column="seller_type", description="Seller type",
        levels=("Individual", "Dealer", "Trustmark Dealer"), example="Individual",
    ),
    Field(
        name="transmission", kind=Kind.CATEGORY, column="transmission", description="Transmission",
        levels=("Manual", "Automatic"), example="Manual",
    ),
    Field(
        name="owner", kind=Kind.CATEGORY, column="owner", description="Owner",
        levels=("Test Drive Car", "First Owner", "Second Owner", "Third Owner", "Fourth & Above Owner"),
        example="First Owner",
    ),
    Field(
        name="mileage", kind=Kind.NUMBER, column="mileage",
        description="Fuel economy (gas as petrol equivalent)", unit="km/l",
        minimum=1, maximum=60, example=19.7, nullable=True,
        parse=Parse(
            pattern=r"(\d[\d,]*(?:\.\d+)?)",
            units={"km/kg": KILOGRAMS_CNG_PER_LITRE_PETROL, "kmpl": 1.0}, missing_numbers=(0,),
        ),
    ),
    Field(
        name="engine", kind=Kind.NUMBER, column="engine", description="Engine displacement", unit="cm³",
        minimum=500, maximum=8000, example=1248.0, nullable=True,
        parse=Parse(pattern=r"(\d[\d,]*(?:\.\d+)?)", units={"cc": 1.0}, missing_numbers=(0,)),
    ),
    Field(
        name="max_power", kind=Kind.NUMBER, column="max_power", description="Maximum power", unit="bhp",
        minimum=20, maximum=800, example=82.0, nullable=True,
        parse=Parse(
            pattern=r"(\d[\d,]*(?:\.\d+)?)", units={"bhp": 1.0}, missing=("bhp",), missing_numbers=(0,)
        ),
    ),
    Field(
        name="torque", kind=Kind.NUMBER, column="torque", description="Maximum torque", unit="Nm",
        minimum=30, maximum=1000, example=190.0, nullable=True,
        parse=Parse(
            # what follows is the torque in the other unit, and the speed
            pattern=r"(?i)^(\d[\d,]*(?:\.\d+)?)\s*(?:nm|kgm)?\s*(?:\([\d.]+(?:kgm)?\))?(?:\s*(?:@|at|/).*)?$",
            units={"nm": 1.0, "kgm": NEWTON_METRES_PER_KILOGRAM_FORCE_METRE}, missing_numbers=(0,),
        ),
    ),
    Field(
        name="torque_rpm", kind=Kind.NUMBER, column="torque",
        description="Engine speed at maximum torque", unit="1/min",
        minimum=300, maximum=12_000, example=2000.0, nullable=True,
        parse=Parse(
            # a torque without a speed matches with an empty group: missing
            pattern=r"(?i)^[\d.]+\s*(?:nm|kgm)?\s*$|^.*?(?:@|at|/)\s*(?:[\d,]+\s*[-~]\s*)?(\d[\d,]*)(?:\+/-\d+)?",
            missing_numbers=(0,),
        ),
    ),
    Field(
        name="seats", kind=Kind.INTEGER, column="seats", description="Seats", minimum=1, maximum=20,
        example=5, nullable=True,
    ),
)  # fmt: skip

USE_CASE = UseCase(
    name="vehicle_price",
    title="Used-car prices",
    description="The price a used car is offered for on an Indian market place, from its data sheet.",
    task=Task.REGRESSION,
    schema=FeatureSchema(
        fields=FIELDS,
        derived=(
            Ratio(name="power_by_engine", numerator="max_power", denominator="engine"),
            Ratio(name="torque_by_engine", numerator="torque", denominator="engine"),
            TargetMean(name="brand_mean", source="brand"),
            TargetMean(name="model_name_mean", source="model_name"),
        ),
    ),
    target=Target(
        name="selling_price", column="selling_price", description="Asking price", unit="INR",
        minimum=1, maximum=100_000_000, log=True,
    ),
    candidates=(
        # first, as of those within one standard error the first wins: an average is preferred to its members
        Candidate(name="blend", family="blend", max_latency_seconds=0.05),
        Candidate(
            name="xgboost", family="xgboost",
            space={
                "n_estimators": Integer(low=200, high=1500),
                "max_depth": Integer(low=3, high=8),
                "learning_rate": Real(low=0.01, high=0.15, log=True),
                "min_child_weight": Real(low=1.0, high=20.0, log=True),
                "subsample": Real(low=0.6, high=1.0),
                "colsample_bytree": Real(low=0.4, high=1.0),
            },
            start={
                "n_estimators": 1200, "max_depth": 6, "learning_rate": 0.025, "min_child_weight": 3.0,
                "subsample": 0.8, "colsample_bytree": 0.5,
            },
        ),
        Candidate(
            name="lightgbm", family="lightgbm",
            space={
                "n_estimators": Integer(low=200, high=1500),
                "num_leaves": Integer(low=8, high=64, log=True),
                "learning_rate": Real(low=0.01, high=0.15, log=True),
                "min_child_samples": Integer(low=3, high=40, log=True),
                "colsample_bytree": Real(low=0.4, high=1.0),
            },
            start={
                "n_estimators": 1200, "num_leaves": 24, "learning_rate": 0.02, "min_child_samples": 8,
                "colsample_bytree": 0.7,
            },
        ),
        Candidate(
            # thresholds drawn by chance err otherwise than searched ones, which the blend gains from
            name="lightgbm_extra_trees", family="lightgbm", fixed={"extra_trees": True},
            space={
                "n_estimators": Integer(low=500, high=2000),
                "num_leaves": Integer(low=8, high=64, log=True),
                "learning_rate": Real(low=0.02, high=0.15, log=True),
                "min_child_samples": Integer(low=3, high=40, log=True),
                "colsample_bytree": Real(low=0.4, high=1.0),
            },
            start={
                "n_estimators": 1500, "num_leaves": 24, "learning_rate": 0.05, "min_child_samples": 8,
                "colsample_bytree": 0.7,
            },
        ),
        Candidate(
            name="random_forest", family="random_forest",
            space={
                "max_depth": Integer(low=10, high=24),
                "min_samples_leaf": Integer(low=1, high=6),
                "max_features": Real(low=0.3, high=1.0),
            },
            start={"max_depth": 18, "min_samples_leaf": 1, "max_features": 0.5}, fixed={"n_estimators": 100},
        ),
    ),
    metric="mae",
    split=HashedSplit(test_share=0.25, folds=5),
    promotion=PromotionPolicy(
        metric="mae", floor=120_000, margin=0.02, slices=("fuel", "transmission"), max_slice_loss=0.15,
        min_slice_rows=50,
    ),
    origin=Origin(
        file="Car details v3.csv", kaggle="nehalbirla/vehicle-dataset-from-cardekho", licence="see the publisher"
    ),
    sample=SAMPLE,
    drift=DriftPolicy(bins=10, practical_psi=0.1, false_alarm_rate=0.05),
    deduplicate=True,
)  # fmt: skip
