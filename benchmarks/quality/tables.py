"""Public tables that nobody here has tuned anything for, and their split."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from benchmarks.environments import get_python
from benchmarks.quality.peers.run import CACHE
from benchmarks.quality.split import Split
from sklearn.model_selection import train_test_split

from servicio_ml.pipeline.drafting.targets.class_target import MIN_CLASS_ROWS

SCRIPT = Path(__file__).with_name("write_tables.py")
SEED, TEST_SHARE = 1234, 0.25
FEW_ROWS, FEW_OF_CLASS, SPLITS = 4_000, 100, 3
"""A table of fewer rows, altogether or of a class, is split several times: few test rows say little."""
GRADES = ("sub_grade", "interest_rate")


@dataclass(frozen=True, slots=True)
class PublicTable:
    """A table of an R package.

    Attributes:
        name: Name of the use case.
        source: `package/table`.
        target: Column to predict.
        task: `binary`, `multiclass` or `regression`.
        positive: The positive class of a binary target.
        dropped: Columns that no contender gets: copies of the target, or the publisher's own split.
        date: Column of days by which the last quarter of the rows is the test; empty for a random quarter.
    """

    name: str
    source: str
    target: str
    task: str
    positive: str = ""
    dropped: tuple[str, ...] = ()
    date: str = ""

    @property
    def file(self) -> str:
        return f"{self.source.split('/')[1]}.csv"


TABLES = (
    PublicTable("titanic", "Stat2Data/Titanic", "Survived", "binary", positive="1"),
    PublicTable("telephone_churn", "modeldata/mlc_churn", "churn", "binary", positive="yes"),
    PublicTable("telecom_churn", "modeldata/wa_churn", "churn", "binary", positive="Yes"),
    PublicTable("attrition", "modeldata/attrition", "Attrition", "binary", positive="Yes"),
    PublicTable("credit", "modeldata/credit_data", "Status", "binary", positive="bad"),
    PublicTable("remote_work", "modeldata/stackoverflow", "Remote", "binary", positive="Remote"),
    PublicTable("cells", "modeldata/cells", "class", "binary", positive="PS", dropped=("case",)),
    PublicTable("penguins", "palmerpenguins/penguins_raw", "Species", "multiclass"),
    PublicTable("loan_grades", "openintro/loans_full_schema", "grade", "multiclass", dropped=GRADES),
    PublicTable("diamonds", "ggplot2/diamonds", "price", "regression"),
    PublicTable("houses", "modeldata/ames", "Sale_Price", "regression"),
    PublicTable("hotel_rates", "modeldata/hotel_rates", "avg_price_per_room", "regression",
        date="arrival_date"),
    PublicTable("wages", "ISLR/Wage", "wage", "regression", dropped=("logwage",)),
)  # fmt: skip


def write_tables(folder: Path) -> None:
    """Write every table's CSV into a folder."""
    python = get_python(CACHE / "environments", "tables")
    subprocess.run([str(python), str(SCRIPT), str(folder), *(table.source for table in TABLES)], check=True)


def split_table(table: PublicTable, source: Path, folder: Path) -> list[Split]:
    """Split a table 75/25 once, or one of few rows several times at random."""
    truth = pd.read_csv(source, usecols=[table.target])[table.target]
    counts = truth.value_counts()
    rarest = len(truth) if table.task == "regression" else counts[counts >= MIN_CLASS_ROWS].min()
    few = len(truth) < FEW_ROWS or rarest < FEW_OF_CLASS
    splits = []
    for seed in range(SEED, SEED + (SPLITS if few and not table.date else 1)):
        place = folder / str(seed)
        place.mkdir()
        splits.append(_split_once(table, source, place, seed))
    return splits


def _split_once(table: PublicTable, source: Path, folder: Path, seed: int) -> Split:
    """Split a table: texts as they are for us, types as pandas finds them for the others.

    Returns:
        The split; beside its Parquet files stand `train.csv` and `test.csv` of the same rows.
    """
    texts = pd.read_csv(source, dtype=str, keep_default_na=False).drop(columns=list(table.dropped))
    typed = pd.read_csv(source).drop(columns=list(table.dropped))
    if table.task != "regression":
        typed[table.target] = texts[table.target]
    labelled = typed[typed[table.target].notna()]
    if table.task != "regression":
        # no contender gets the rows of a class that a draft leaves out
        labelled = labelled[labelled.groupby(table.target)[table.target].transform("size") >= MIN_CLASS_ROWS]
    for part, chosen in zip(("train", "test"), _split_rows(table, labelled, seed), strict=True):
        # in the order of the file, so that one that is ordered in time stays so
        texts.loc[sorted(chosen)].to_csv(folder / f"{part}.csv", index=False)
        typed.loc[sorted(chosen)].reset_index(drop=True).to_parquet(folder / f"{part}.parquet")
    return Split(folder=folder, target=table.target, task=table.task, positive=table.positive or None)


def _split_rows(table: PublicTable, labelled: pd.DataFrame, seed: int) -> tuple[Any, Any]:
    if table.date:
        days = labelled[table.date]
        first = days.sort_values().iloc[int(len(days) * (1 - TEST_SHARE))]
        return labelled.index[days < first], labelled.index[days >= first]
    classes = None if table.task == "regression" else labelled[table.target]
    train, test = train_test_split(labelled.index, test_size=TEST_SHARE, random_state=seed, stratify=classes)
    return train, test
