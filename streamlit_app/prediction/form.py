"""The form of a record, made from the schema."""

from collections.abc import Mapping, Sequence
from datetime import date
from math import floor, log10
from typing import Any

import streamlit as st

from streamlit_app.client.predict import CATEGORY, DATE, INTEGER, FieldInfo, Schema, Value
from streamlit_app.prediction.places import picked
from streamlit_app.prediction.words import hint, named, shown
from streamlit_app.text import t

COLUMNS, COLUMNS_BESIDE_MAP = 4, 3
MAP_SHARE = (1, 2)
"""Widths of the map and of the form."""
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2100, 12, 31)
STEPS = 100
"""A field's range has so many steps of its buttons, about."""
FREE_STEP = 0.1
"""Of a field without a range."""


def filled(schema: Schema) -> dict[str, Value] | None:
    """Draw the form; the record when it was submitted just now."""
    if schema.places is None:
        return _form(schema, {}, COLUMNS)
    beside, form = st.columns(MAP_SHARE, gap="medium")
    with beside:
        place = {schema.places.field: picked(schema, schema.places)}
    with form:
        return _form(schema, place, COLUMNS_BESIDE_MAP)


def _form(schema: Schema, place: Mapping[str, Value], columns: int) -> dict[str, Value] | None:
    rest = [each for each in schema.fields if each.name not in place]
    needed = [each for each in rest if not each.nullable]
    spare = [each for each in rest if each.nullable]
    with st.form(f"record:{schema.model}", border=False):
        record = {**place, **_grid(schema.model, needed, columns)}
        if spare:
            with st.expander(t("May be left empty ({count})", count=len(spare)), expanded=True):
                record |= _grid(schema.model, spare, columns)
        sent = st.form_submit_button(t("Predict"), type="primary", key=f"predict:{schema.model}")
    return {each.name: record[each.name] for each in schema.fields} if sent else None


def _grid(model: str, fields: Sequence[FieldInfo], columns: int) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for start in range(0, len(fields), columns):
        row = fields[start : start + columns]
        for column, each in zip(st.columns(columns, vertical_alignment="bottom"), row, strict=False):
            with column:
                found[each.name] = widget(model, each)
    return found


def widget(model: str, each: FieldInfo) -> Value:
    """Draw the widget of a field; its value."""
    key = f"field:{model}:{each.name}"
    if each.kind == CATEGORY:
        options: list[Value] = [None, *each.levels] if each.nullable else [*each.levels]
        return st.selectbox(
            named(each), options, options.index(each.default), lambda level: shown(each, level), key=key,
            help=hint(each),
        )  # fmt: skip
    if each.kind == DATE:
        default = None if each.default is None else date.fromisoformat(str(each.default))
        day = st.date_input(
            named(each),
            _begun(key, each, default),
            FIRST_DAY,
            LAST_DAY,
            key=key,
            help=hint(each),
            format="YYYY-MM-DD",
        )
        return None if day is None else day.isoformat()
    return _number(each, key)


def _begun(key: str, each: FieldInfo, default: Any) -> Any:
    """What a widget begins with.

    One that was given a value cannot be emptied, it goes back to that value; one whose state was set can.
    """
    if not each.nullable:
        return default
    st.session_state.setdefault(key, default)
    return None


def _number(each: FieldInfo, key: str) -> Value:
    whole = each.kind == INTEGER
    kind = int if whole else float
    least, most, default = (
        None if value is None else kind(value) for value in (each.minimum, each.maximum, each.default)
    )
    # Streamlit's types tell whole numbers from others; which it is, is known here only at run time
    draw: Any = st.number_input
    number: float | None = draw(
        named(each), least, most, _begun(key, each, default), 1 if whole else _step(each),
        None if whole else "%.10g", key=key, help=hint(each), placeholder=t("missing"),
    )  # fmt: skip
    return number


def _step(each: FieldInfo) -> float:
    if each.minimum is None or each.maximum is None or each.maximum <= each.minimum:
        return FREE_STEP
    return float(10.0 ** floor(log10((each.maximum - each.minimum) / STEPS)))
