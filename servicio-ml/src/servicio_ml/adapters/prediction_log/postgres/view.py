"""A view in PostgreSQL of the logged predictions of a model, with its fields by name."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
from psycopg import sql

from servicio_ml.adapters.prediction_log.postgres.database import LogDatabase, PgConnection
from servicio_ml.domain.fields.identifier import IDENTIFIER
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.errors import LogError
from servicio_ml.features.decoder import TYPES
from servicio_ml.features.logged_rows.columns import (
    ACTUAL,
    ID,
    LABEL,
    PREDICTION,
    PROBABILITIES,
    PROBABILITY,
    TIME,
    VERSION,
    LoggedVersion,
    build_columns,
    name_class_column,
    name_column,
)
from servicio_ml.features.logged_rows.read import ANSWERS
from servicio_ml.features.output import POSITIVE

Sql = sql.Composable
PREFIX = "predictions_"
MAX_NAME_BYTES = 63
"""PostgreSQL cuts longer names off, so that two of them could be the same."""
SQL_TYPES = {
    pa.float64(): "double precision",
    pa.int64(): "bigint",
    pa.string(): "text",
    pa.bool_(): "boolean",
    pa.date32(): "date",
    pa.timestamp("s"): "timestamp",
}
TEXT_FORMATS = {pa.date32(): "YYYY-MM-DD", pa.timestamp("s"): 'YYYY-MM-DD"T"HH24:MI:SS'}
"""Independent of the session's setting `DateStyle`."""
# of a version that the view does not know, or whose rows are of another length, no field is decoded
VIEW = """
CREATE VIEW {name} AS SELECT {columns} FROM (
    SELECT *, CASE WHEN cardinality(features) = CASE version {widths} END THEN version END AS known
    FROM prediction WHERE model = {model} AND purpose IN ({purposes})
) AS logged
"""
READ_IDENTIFIER = """
(SELECT identifier FROM identifier WHERE identifier.prediction_id = logged.prediction_id)
"""
READ_ACTUAL = """
(SELECT actual FROM ground_truth WHERE ground_truth.prediction_id = logged.prediction_id
 ORDER BY revision DESC LIMIT 1)
"""
READ_GRANTS = """
SELECT DISTINCT grantee FROM information_schema.role_table_grants
WHERE table_schema = current_schema() AND table_name = %s AND privilege_type = 'SELECT'
AND grantee <> current_user
"""


def create_view(database: LogDatabase, model: str, versions: Sequence[LoggedVersion]) -> str:
    """Create or replace the view of a model, and return its name; who may read it still may.

    Args:
        database: Database of the prediction log.
        model: Name of the model.
        versions: Versions, at least one; rows of others have no values in the fields.

    Raises:
        LogError: A name is too long, another view depends on this one, or the server refuses.
    """
    name = PREFIX + model
    statement = build_view(name, model, versions)
    database.run_in_transaction(partial(_replace_view, name, statement))
    return name


def build_view(name: str, model: str, versions: Sequence[LoggedVersion]) -> sql.Composed:
    """Build the statement that creates the view.

    Raises:
        LogError: A name is too long for PostgreSQL.
    """
    columns = [
        sql.SQL("{} AS {}").format(expression, _quote_name(column))
        for column, expression in _build_columns(model, versions)
    ]
    widths = [sql.SQL("WHEN {} THEN {}").format(each.version, len(each.schema.owners)) for each in versions]
    return sql.SQL(VIEW).format(
        name=_quote_name(name), columns=sql.SQL(", ").join(columns), widths=sql.SQL(" ").join(widths),
        model=model, purposes=sql.SQL(", ").join(sql.Literal(str(each)) for each in ANSWERS),
    )  # fmt: skip


def _replace_view(name: str, statement: sql.Composed, connection: PgConnection) -> None:
    readers = connection.execute(READ_GRANTS, (name,)).fetchall()
    # columns of other types cannot be replaced in place; the transaction shows nobody the moment between
    connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(sql.Identifier(name)))
    connection.execute(statement)
    for (reader,) in readers:
        role = sql.SQL("PUBLIC") if reader == "PUBLIC" else sql.Identifier(reader)
        connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(sql.Identifier(name), role))


def _build_columns(model: str, versions: Sequence[LoggedVersion]) -> Iterator[tuple[str, Sql]]:
    outcome = sql.SQL("outcome")
    own: dict[str, Sql] = {
        ID: sql.SQL("prediction_id"),
        TIME: sql.SQL("at"),
        VERSION: sql.SQL("version"),
        IDENTIFIER: sql.SQL(READ_IDENTIFIER),
        PROBABILITY: _choose(versions, lambda each: _read_probability(POSITIVE) if each.is_binary else None),
    }
    for column in build_columns(model, versions):
        if column.name in own:
            yield column.name, own[column.name]
        elif column.name == PREDICTION:
            yield column.name, sql.SQL("outcome::{}").format(sql.SQL(SQL_TYPES[column.type]))
        elif column.name == LABEL:
            yield column.name, _choose(versions, lambda each: _read_label(each, outcome))
        elif column.name == ACTUAL:
            yield column.name, _read_actual(versions, column.type)
        elif column.name == PROBABILITIES:
            yield from (
                (name_class_column(each.name), _read_class(versions, each.name)) for each in column.type
            )
        else:
            yield column.name, _choose(versions, partial(_read_field, column.name, column.type))


def _choose(versions: Sequence[LoggedVersion], read: Callable[[LoggedVersion], Sql | None]) -> Sql:
    """Build an expression that depends on the version of the row; null for a version without one."""
    by_expression: dict[str, tuple[Sql, list[Sql]]] = {}
    for each in versions:
        if (expression := read(each)) is not None:
            found = by_expression.setdefault(expression.as_string(), (expression, []))
            found[1].append(sql.Literal(each.version))
    if not by_expression:
        return sql.SQL("NULL")
    cases = [
        sql.SQL("WHEN known IN ({}) THEN {}").format(sql.SQL(", ").join(numbers), expression)
        for expression, numbers in by_expression.values()
    ]
    return sql.SQL("CASE {} END").format(sql.SQL(" ").join(cases))


def _read_field(name: str, kind: Any, version: LoggedVersion) -> Sql | None:
    for i, field in enumerate(version.schema.fields):
        if name_column(field.name) == name:
            return _convert(_decode(version, i, field), TYPES[field.kind], kind)
    return None


def _decode(version: LoggedVersion, index: int, field: Field) -> Sql:
    # arrays of PostgreSQL begin with 1; its NaN equals itself
    value = sql.SQL("nullif(features[{}], 'NaN')").format(index + 1)
    if field.kind is Kind.BOOLEAN:
        return sql.SQL("{} = 1").format(value)
    if field.kind is Kind.CATEGORY:
        return _read_level(field.levels, value)
    if field.kind is Kind.TEXT:
        return _read_words(field, version.schema.words[index], value)
    if field.kind is Kind.DATETIME:
        second = version.schema.seconds[index] + 1
        return sql.SQL(
            "timestamp '1970-01-01' + make_interval(days => {}::int, secs => features[{}]::float8)"
        ).format(value, second)
    expressions = {
        Kind.INTEGER: "{}::bigint",
        # through the shortest text of the float4: 12.1, not 12.100000381
        Kind.NUMBER: "{}::text::float8",
        Kind.DATE: "date '1970-01-01' + {}::int",
    }
    return sql.SQL(expressions[field.kind]).format(value)


def _read_level(levels: Sequence[str], code: Sql) -> Sql:
    return sql.SQL("({}::text[])[{}::int + 1]").format(sql.Literal([*levels]), code)


def _read_words(field: Field, words: slice, count: Sql) -> Sql:
    return sql.SQL(
        "CASE WHEN {count} >= 0 THEN (SELECT coalesce(string_agg(word, ' ' ORDER BY place), '') FROM "
        "unnest({words}::text[], features[{first}:{last}]) WITH ORDINALITY AS each (word, has, place) "
        "WHERE has > 0) END"
    ).format(count=count, words=sql.Literal([*field.words]), first=words.start + 1, last=words.stop)


def _convert(expression: Sql, kind: Any, wanted: Any) -> Sql:
    if kind == wanted:
        return expression
    if wanted == pa.string() and kind in TEXT_FORMATS:
        return sql.SQL("to_char({}, {})").format(expression, TEXT_FORMATS[kind])
    return sql.SQL("({})::{}").format(expression, sql.SQL(SQL_TYPES[wanted]))


def _read_label(version: LoggedVersion, code: Sql) -> Sql | None:
    return _read_level(version.output.labels, code) if version.output.labels else None


def _read_actual(versions: Sequence[LoggedVersion], kind: Any) -> Sql:
    actual = sql.SQL(READ_ACTUAL)
    return _choose(
        versions,
        lambda each: _read_label(each, actual) or _convert(actual, pa.float64(), kind),
    )


def _read_class(versions: Sequence[LoggedVersion], label: str) -> Sql:
    def read(version: LoggedVersion) -> Sql | None:
        labels = version.output.labels
        is_among = not version.is_binary and label in labels
        return _read_probability(labels.index(label)) if is_among else None

    return _choose(versions, read)


def _read_probability(index: int) -> Sql:
    return sql.SQL("probabilities[{}]").format(index + 1)


def _quote_name(name: str) -> Sql:
    if len(name.encode()) > MAX_NAME_BYTES:
        problem = f"the name {name!r} is longer than the {MAX_NAME_BYTES} bytes of PostgreSQL"
        raise LogError("view", problem)
    return sql.Identifier(name)
