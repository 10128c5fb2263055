"""Order in which the kinds of a column are tried."""

from servicio_ml.pipeline.drafting.columns.category import find_boolean, find_category, find_learned_category
from servicio_ml.pipeline.drafting.columns.constant import find_constant
from servicio_ml.pipeline.drafting.columns.date import find_date, find_datetime
from servicio_ml.pipeline.drafting.columns.identifier import find_identifier
from servicio_ml.pipeline.drafting.columns.measure import find_measure
from servicio_ml.pipeline.drafting.columns.number import find_number
from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding, RawColumn
from servicio_ml.pipeline.drafting.columns.text import find_text
from servicio_ml.pipeline.drafting.dates.unix_time import find_unix_time

FINDERS = (
    find_constant, find_boolean, find_datetime, find_date, find_unix_time, find_identifier, find_number,
    find_measure,
)  # fmt: skip


def find_kind(column: RawColumn) -> ColumnFinding:
    """Find what a column is: the first kind that its texts fit, else a category or text."""
    for find in FINDERS:
        if found := find(column):
            return found
    found = find_category(column)
    return found if found.field else find_learned_category(column) or find_text(column) or found
