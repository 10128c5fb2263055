"""How fields, values and scores are worded."""

from streamlit_app.client.predict import CATEGORY, INTEGER, FieldInfo, Schema, Value
from streamlit_app.client.transport import Fault
from streamlit_app.text import t, told

SMALL = 0.01
"""Of a number that needs more than two decimals to be seen."""


def named(each: FieldInfo) -> str:
    """A field with its unit."""
    return f"{told(each.description)} ({told(each.unit)})" if each.unit else told(each.description)


def hint(each: FieldInfo) -> str:
    """What a field takes, and its name in files and requests."""
    parts = [f"`{each.name}`"]
    if each.minimum is not None and each.maximum is not None:
        parts.append(t("from {least} to {most}", least=plain(each.minimum), most=plain(each.maximum)))
    elif each.minimum is not None:
        parts.append(t("at least {least}", least=plain(each.minimum)))
    elif each.maximum is not None:
        parts.append(t("at most {most}", most=plain(each.maximum)))
    if each.kind == INTEGER:
        parts.append(t("a whole number"))
    if each.nullable:
        parts.append(t("may be left empty"))
    return ", ".join(parts)


def plain(number: float) -> str:
    """A number without needless digits; a point, and blanks between thousands."""
    return f"{number:,.10g}".replace(",", " ")


def shown(each: FieldInfo, value: Value) -> str:
    """A value of a field, in words."""
    if value is None:
        return t("missing")
    if isinstance(value, str):
        return level(value) if each.kind == CATEGORY else value
    # 2014 is a year, not 2 014
    number = f"{value:.10g}" if each.kind == INTEGER else plain(value)
    return f"{number} {told(each.unit)}" if each.unit else number


def level(name: str) -> str:
    """A level or a label, in words."""
    return told(name).replace("_", " ")


def score(schema: Schema, value: float) -> str:
    """A probability in percent, or a number with its unit."""
    if schema.labels:
        return f"{value:.1%}".replace("%", " %")
    digits = 0 if abs(value) >= 1000 else 2 if abs(value) >= SMALL or value == 0 else 6  # noqa: PLR2004  thousands
    text = f"{value:,.{digits}f}".replace(",", " ")
    return f"{text} {schema.unit}" if schema.unit else text


def signed(text: str) -> str:
    """A number with a true minus sign."""
    return text.replace("-", "−")


def refused(schema: Schema, fault: Fault) -> str:
    """Why a value was refused."""
    known = next((each for each in schema.fields if each.name == fault.field), None)
    if known is None:
        return f"{fault.field}: {fault.value!r}; {fault.allowed}"
    if fault.value is None:
        return t("{field}: it must not be empty.", field=named(known))
    allowed = ", ".join(map(level, known.levels)) if known.levels else hint(known)
    return t(
        "{field}: {value} does not fit; allowed: {allowed}.",
        field=named(known),
        value=fault.value,
        allowed=allowed,
    )
