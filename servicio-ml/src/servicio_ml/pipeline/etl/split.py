"""Split into training and test rows: by date, by a hash of the content or the group, or as the file says."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import polars as pl

from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.domain.use_case import ColumnSplit, DateSplit, GroupSplit, Split
from servicio_ml.errors import ContractError

TEST = "_test"
SEPARATOR = "\x1f"
"""Separator of the texts of a row's values; a control character that no value holds."""

HASH_COUNT = float(2**64)


def assign_split(rows: pl.LazyFrame, split: Split, fields: Sequence[str]) -> pl.LazyFrame:
    """Add the column `TEST`, true for test rows.

    Args:
        rows: Usable rows.
        split: Split of the use case.
        fields: Fields to hash: the features that every file of the use case has.

    Raises:
        ContractError: All rows have the same date.
    """
    if isinstance(split, DateSplit):
        day = pl.col(split.field).cast(pl.Date)
        return rows.with_columns((day >= _find_first_test_date(rows, split)).alias(TEST))
    if isinstance(split, ColumnSplit):
        return rows.with_columns((pl.col(split.field) == split.test).alias(TEST))
    hashed = [split.field] if isinstance(split, GroupSplit) else fields
    return rows.with_columns((_hash_to_uniform(hashed) < split.test_share).alias(TEST))


def _find_first_test_date(rows: pl.LazyFrame, split: DateSplit) -> pl.Expr:
    """Find the date from which rows are test rows; no date is on both sides."""
    days = rows.group_by(pl.col(split.field).cast(pl.Date)).len()
    dates = days.sort(split.field).collect(engine="streaming")
    row_counts = dates["len"].to_numpy()
    # whole dates: rows of one day are alike, and a day on both sides would leak
    rows_before = row_counts.cumsum() - row_counts
    train_rows = (1 - split.test_share) * row_counts.sum()
    index = int(np.searchsorted(rows_before, train_rows, side="right")) - 1
    if len(dates) == 1:
        raise ContractError(
            split.field, f"all rows are of {dates[split.field][0]}; a split by date needs two"
        )
    return pl.lit(dates[split.field][max(1, index)])


def _hash_to_uniform(fields: Sequence[str]) -> pl.Expr:
    """Hash the content of the fields to a number from 0 to 1.

    A row keeps its side from period to period, and equal rows are on the same side.
    """
    # pandas' hash of a text (SipHash, fixed key) is the same in every process and release, Polars' is not
    texts = (pl.col(name).cast(pl.String).fill_null("") for name in fields)
    return pl.concat_str(*texts, separator=SEPARATOR).map_batches(
        lambda keys: pl.Series(pd.util.hash_array(keys.to_numpy(), categorize=False) / HASH_COUNT),
        return_dtype=pl.Float64,
        is_elementwise=True,
    )


def select_identity_fields(schema: FeatureSchema) -> Sequence[str]:
    """Select the fields that every file has, so that optional fields do not move a row to the other side."""
    # a row shall keep its side when a later file lacks an optional column
    required = [field.name for field in schema.fields if not field.optional]
    return required or schema.field_names
