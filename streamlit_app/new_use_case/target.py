"""The target of a draft: what is predicted and why, and the range of a number, which can be corrected."""

import streamlit as st

from streamlit_app.client.use_cases import DraftedUseCase
from streamlit_app.new_use_case.reasons import label_task, translate_reason
from streamlit_app.translation import escape_markdown, t

REGRESSION = "regression"


def draw(draft: DraftedUseCase, key: str) -> dict[str, dict[str, float]]:
    """Draw the target; return the bounds that differ from those of the draft, by its column."""
    target = draft.target
    st.markdown(
        t(
            "The target is **{column}**, {task}: {reason}.",
            column=escape_markdown(target.column), task=label_task(draft.task),
            reason=escape_markdown(translate_reason(target.reason)),
        )
    )  # fmt: skip
    if draft.task != REGRESSION:
        return {}
    left, right = st.columns(2)
    found = {"minimum": target.minimum, "maximum": target.maximum}
    given: dict[str, float | None] = {
        "minimum": left.number_input(
            t("Minimum of the target"), value=target.minimum, format="%.10g", key=f"minimum:{key}"
        ),
        "maximum": right.number_input(
            t("Maximum of the target"), value=target.maximum, format="%.10g", key=f"maximum:{key}"
        ),
    }
    changes = {name: bound for name, bound in given.items() if bound is not None and bound != found[name]}
    return {target.column: changes} if changes else {}
