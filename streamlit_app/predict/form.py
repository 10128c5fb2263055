"""The form of a record, built from the schema."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from math import floor, log10
from typing import Any

import streamlit as st

from streamlit_app.client.predict import DATE, DATETIME, INTEGER, TEXT, FieldInfo, FieldValue, ModelSchema
from streamlit_app.predict import typed_values
from streamlit_app.predict.labels import describe_field, format_value, label_field
from streamlit_app.predict.location_map import select_location
from streamlit_app.translation import t

COLUMNS, COLUMNS_BESIDE_MAP = 4, 3
MAP_SHARE = (1, 2)
"""Relative widths of the map and of the form."""
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2100, 12, 31)
SECONDS_PER_MINUTE = 60
MAX_CHARACTERS = 1000
RANGE_STEPS = 100
"""Approximate number of steps of the buttons over a field's range."""
DEFAULT_STEP = 0.1
"""Step of a field without a range."""
SUBMIT_SHORTCUT = "Ctrl+Enter"
"""Keys that submit the form from any of its fields; Enter alone commits the field."""


def draw_form(schema: ModelSchema) -> dict[str, FieldValue] | None:
    """Draw the form; return the record right after it is submitted, else None."""
    if schema.places is None:
        return _draw_fields(schema, {}, COLUMNS)
    map_column, form_column = st.columns(MAP_SHARE, gap="medium")
    with map_column:
        location = {schema.places.field: select_location(schema, schema.places)}
    with form_column:
        return _draw_fields(schema, location, COLUMNS_BESIDE_MAP)


def _draw_fields(
    schema: ModelSchema, location: Mapping[str, FieldValue], columns: int
) -> dict[str, FieldValue] | None:
    fields = [each for each in schema.fields if each.name not in location]
    required = [each for each in fields if not each.nullable]
    optional = [each for each in fields if each.nullable]
    # no `st.form`: the browser would keep to itself what was typed until it is submitted
    record = {**location, **_draw_grid(schema.model, required, columns)}
    if optional:
        with st.expander(t("Optional fields ({number})", number=len(optional)), expanded=True):
            record |= _draw_grid(schema.model, optional, columns)
    submitted = st.button(
        t("Predict"), type="primary", key=f"predict:{schema.model}", shortcut=SUBMIT_SHORTCUT
    )
    return {each.name: record[each.name] for each in schema.fields} if submitted else None


def _draw_grid(model: str, fields: Sequence[FieldInfo], columns: int) -> dict[str, FieldValue]:
    values: dict[str, FieldValue] = {}
    for start in range(0, len(fields), columns):
        row = fields[start : start + columns]
        for column, field in zip(st.columns(columns, vertical_alignment="bottom"), row, strict=False):
            with column:
                values[field.name] = draw_widget(model, field)
    return values


def draw_widget(model: str, field: FieldInfo) -> FieldValue:
    """Draw the widget of a field and return its value."""
    draw: Callable[[str, FieldInfo, str], Any] = _draw_number
    if field.choices:
        draw = _draw_levels
    elif field.kind == DATE:
        draw = _draw_date
    elif field.kind == DATETIME:
        draw = _draw_datetime
    elif field.kind == TEXT:
        draw = _draw_text
    value = draw(model, field, f"field:{model}:{field.name}")
    typed_values.keep(model, field.name, value)
    return value.isoformat() if isinstance(value, date) else value


def _draw_levels(model: str, field: FieldInfo, key: str) -> FieldValue:
    options: list[FieldValue] = [None, *field.choices] if field.nullable else [*field.choices]

    def is_valid(value: Any) -> bool:
        return value in options or (field.any_text and isinstance(value, str))

    typed_values.restore(model, field.name, key, field.default, is_valid)
    return st.selectbox(
        label_field(field), options, format_func=lambda level: format_value(field, level), key=key,
        help=describe_field(field), accept_new_options=field.any_text,
    )  # fmt: skip


def _draw_date(model: str, field: FieldInfo, key: str) -> date | None:
    default = None if field.default is None else date.fromisoformat(str(field.default))

    def is_valid(value: Any) -> bool:
        return field.nullable if value is None else FIRST_DAY <= value <= LAST_DAY

    typed_values.restore(model, field.name, key, default, is_valid)
    # the session has the value; `None` lets the reader empty the widget
    value: Any = None if field.nullable else "today"
    day: date | None = st.date_input(
        label_field(field), value, FIRST_DAY, LAST_DAY, key=key, help=describe_field(field),
        format="YYYY-MM-DD",
    )  # fmt: skip
    return day


def _draw_datetime(model: str, field: FieldInfo, key: str) -> datetime | None:
    default = None if field.default is None else datetime.fromisoformat(str(field.default))
    first, last = (datetime.combine(day, time()) for day in (FIRST_DAY, LAST_DAY))

    def is_valid(value: Any) -> bool:
        return field.nullable if value is None else first <= value <= last

    typed_values.restore(model, field.name, key, default, is_valid)
    value: Any = None if field.nullable else "now"
    moment: datetime | None = st.datetime_input(
        label_field(field), value, first, last, key=key, help=describe_field(field), format="YYYY-MM-DD",
        step=SECONDS_PER_MINUTE,
    )  # fmt: skip
    return moment


def _draw_text(model: str, field: FieldInfo, key: str) -> str | None:
    default = None if field.default is None else str(field.default)
    typed_values.restore(model, field.name, key, default, lambda value: isinstance(value, str))
    text: str | None = st.text_input(
        label_field(field),
        None,
        MAX_CHARACTERS,
        key=key,
        help=describe_field(field),
        placeholder=t("missing"),
    )
    return text if text or not field.nullable else None


def _draw_number(model: str, field: FieldInfo, key: str) -> float | None:
    is_integer = field.kind == INTEGER
    convert = int if is_integer else float
    minimum, maximum, default = (
        None if value is None else convert(value) for value in (field.minimum, field.maximum, field.default)
    )

    def is_valid(value: Any) -> bool:
        if value is None:
            return field.nullable
        return (minimum is None or minimum <= value) and (maximum is None or value <= maximum)

    typed_values.restore(model, field.name, key, default, is_valid)
    # Streamlit's types distinguish integers from floats, which is known only at run time here
    number_input: Any = st.number_input
    number: float | None = number_input(
        label_field(field), minimum, maximum, None if field.nullable else "min",
        1 if is_integer else _compute_step(field), None if is_integer else "%.10g",
        key=key, help=describe_field(field), placeholder=t("missing"),
    )  # fmt: skip
    return number


def _compute_step(field: FieldInfo) -> float:
    if field.minimum is None or field.maximum is None or field.maximum <= field.minimum:
        return DEFAULT_STEP
    return float(10.0 ** floor(log10((field.maximum - field.minimum) / RANGE_STEPS)))
