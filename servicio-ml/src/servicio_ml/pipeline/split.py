"""Which rows are for testing: the last by date, or those whose content hashes low."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import polars as pl

from servicio_ml.domain.use_case import DateSplit, HashedSplit
from servicio_ml.errors import ContractError

TEST = "_test"
SEPARATOR = "\x1f"
"""Between the texts of a row's values; it is in none of them."""

HASHES = float(2**64)


def with_sides(rows: pl.LazyFrame, split: DateSplit | HashedSplit, fields: Sequence[str]) -> pl.LazyFrame:
    """The rows with `TEST`, true where a row is for testing.

    Args:
        rows: Kept rows.
        split: The use case's.
        fields: What a row's hash is made of: the features that every file of the use case has.

    Raises:
        ContractError: All rows bear the same date.
    """
    if isinstance(split, DateSplit):
        return rows.with_columns((pl.col(split.field) >= _first_test_date(rows, split)).alias(TEST))
    return rows.with_columns((_uniform(fields) < split.test_share).alias(TEST))


def _first_test_date(rows: pl.LazyFrame, split: DateSplit) -> pl.Expr:
    """The date at which the last `test_share` of the rows begin; no date is on both sides."""
    dates = rows.group_by(split.field).len().sort(split.field).collect(engine="streaming")
    rows_of = dates["len"].to_numpy()
    rows_before = rows_of.cumsum() - rows_of
    train_rows = (1 - split.test_share) * rows_of.sum()
    place = int(np.searchsorted(rows_before, train_rows, side="right")) - 1
    if len(dates) == 1:
        raise ContractError(
            split.field, f"all rows are of {dates[split.field][0]}; a split by date needs two"
        )
    return pl.lit(dates[split.field][max(1, place)])


def _uniform(fields: Sequence[str]) -> pl.Expr:
    """A number from 0 to 1 that depends on the content of the fields only.

    Pandas' hash of a text (SipHash with a fixed key) is the same in every process and release; that of Polars
    is not. A row so keeps its side from period to period, and equal rows are on the same side.
    """
    texts = (pl.col(name).cast(pl.String).fill_null("") for name in fields)
    return pl.concat_str(*texts, separator=SEPARATOR).map_batches(
        lambda keys: pl.Series(pd.util.hash_array(keys.to_numpy(), categorize=False) / HASHES),
        return_dtype=pl.Float64,
        is_elementwise=True,
    )
