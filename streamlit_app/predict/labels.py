"""Texts for fields, values and scores."""

from streamlit_app.client.predict import CATEGORY, INTEGER, FieldInfo, FieldValue, ModelSchema
from streamlit_app.client.transport import FieldError
from streamlit_app.translation import t, translate

SMALL_SCORE = 0.01
"""Smallest score that two decimals show."""
THOUSAND = 1000


def label_field(field: FieldInfo) -> str:
    """Return the description of a field with its unit."""
    description = translate(field.description)
    return f"{description} ({translate(field.unit)})" if field.unit else description


def describe_field(field: FieldInfo) -> str:
    """Describe the values of a field, after its name in files and requests."""
    phrases, unit = [f"`{field.name}`"], f" {translate(field.unit)}" if field.unit else ""
    if field.minimum is not None and field.maximum is not None:
        minimum, maximum = format_number(field.minimum), format_number(field.maximum) + unit
        phrases.append(t("from {minimum} to {maximum}", minimum=minimum, maximum=maximum))
    elif field.minimum is not None:
        phrases.append(t("minimum {minimum}", minimum=format_number(field.minimum) + unit))
    elif field.maximum is not None:
        phrases.append(t("maximum {maximum}", maximum=format_number(field.maximum) + unit))
    if field.kind == INTEGER:
        phrases.append(t("a whole number"))
    if field.nullable:
        phrases.append(t("optional"))
    return ", ".join(phrases)


def format_number(number: float) -> str:
    """Format a number with a decimal point and spaces between thousands, without trailing zeros."""
    return f"{number:,.10g}".replace(",", " ")


def format_value(field: FieldInfo, value: FieldValue) -> str:
    """Format a value of a field with its unit."""
    if value is None:
        return t("missing")
    if isinstance(value, bool):
        return translate("yes" if value else "no")
    if isinstance(value, str):
        return label_level(value) if field.kind == CATEGORY else value
    # 2014 is a year, not 2 014
    number = f"{value:.10g}" if field.kind == INTEGER else format_number(value)
    return f"{number} {translate(field.unit)}" if field.unit else number


def label_level(name: str) -> str:
    """Return the text of a level or label."""
    return translate(name).replace("_", " ")


def format_score(schema: ModelSchema, value: float) -> str:
    """Format a probability as a percentage, or a regression's value with its unit."""
    if schema.labels:
        return f"{value:.1%}".replace("%", " %")
    digits = 0 if abs(value) >= THOUSAND else 2 if abs(value) >= SMALL_SCORE or value == 0 else 6
    text = f"{value:,.{digits}f}".replace(",", " ")
    return f"{text} {schema.unit}" if schema.unit else text


def use_minus_sign(text: str) -> str:
    """Replace hyphens by the minus sign."""
    return text.replace("-", "−")


def explain_refusal(schema: ModelSchema, error: FieldError) -> str:
    """Explain why the server refused a value of the form."""
    field = next((each for each in schema.fields if each.name == error.field), None)
    if field is None:
        return f"{error.field}: {error.value!r}; {error.allowed}"
    if error.value is None:
        return t("{field} is required.", field=label_field(field))
    levels = [] if field.any_text else field.levels
    allowed = ", ".join(map(label_level, levels)) or describe_field(field)
    return t(
        "{field}: {value} is not valid. Allowed: {allowed}.",
        field=label_field(field),
        value=error.value,
        allowed=allowed,
    )
