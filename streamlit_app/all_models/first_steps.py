"""The first steps on a server without a model."""

import streamlit as st

from streamlit_app.translation import t

SHIPPED = "\n".join(f"servicio-ml {command} heart_disease" for command in ("data sample", "etl", "train"))
STEPS = (
    ("servicio-ml init NAME --source FILE --target COLUMN --run", "init"),
    (SHIPPED, "shipped"),
    ("servicio-ml import NAME --model FOLDER --data FILE --target COLUMN", "import"),
)


def draw() -> None:
    """Draw the ways to a first model."""
    st.info(t("The server has no model yet. Each of these ways leads to one:"), icon=":material/flag:")
    labels = {
        "init": t("Your own table: draft a use case, train and promote its first model"),
        "shipped": t("A use case that comes with servicio-ml"),
        "import": t("A model that you have"),
    }
    for command, step in STEPS:
        st.markdown(f"**{labels[step]}**")
        st.code(command, language="shell")
    st.caption(t("The page New use case does the first of them in the browser, with an administrator's key."))
