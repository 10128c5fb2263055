"""The plots of a version from its training, one at a time: only the chosen one is loaded."""

import streamlit as st

from streamlit_app import session
from streamlit_app.client import models as client
from streamlit_app.client.service import ModelInfo
from streamlit_app.models.labels import CHALLENGER, CHAMPION, find_version, get_candidate
from streamlit_app.translation import t

WIDTH_PIXELS = 770
"""Width of the image files."""
FIRST_PLOTS = (
    "feature_importance",
    "roc",
    "confusion_matrix",
    "calibration",
    "precision_recall",
    "residuals",
)
"""Plots that the list begins with."""


def select_version(model: ModelInfo, key: str) -> int | None:
    """Draw the choice of a version, the champion first; None where no version is registered."""
    champion = find_version(model, CHAMPION)
    versions = {each.version: each for each in model.versions}
    if not versions:
        st.caption(t("No version is registered yet."))
        return None
    first = [champion.version] if champion else []
    order = [*first, *(version for version in versions if version not in first)]

    def label_version(version: int) -> str:
        aliases = [each for each in versions[version].aliases if each in {CHAMPION, CHALLENGER}]
        return " · ".join([str(version), get_candidate(versions[version]), *map(_label_alias, aliases)])

    chosen: int | None = st.selectbox(
        t("Version"), order, format_func=label_version, key=f"{key}:{model.model}"
    )
    return chosen


def _label_alias(alias: str) -> str:
    return t("champion") if alias == CHAMPION else t("challenger")


def draw(model: ModelInfo) -> None:
    """Draw the choice of a version and of a plot, and the plot."""
    version = select_version(model, "models_plot_version")
    if version is None:
        return
    names = session.read(client.fetch_picture_names, model.model, version)
    if not names:
        st.info(t("MLflow has no plots of this version."))
        return
    order = [*(name for name in FIRST_PLOTS if name in names), *(n for n in names if n not in FIRST_PLOTS)]
    name = st.selectbox(t("Plot"), order, format_func=label_plot, key="models_plot")
    image = session.read(client.fetch_picture, model.model, version, name)
    alt = t(
        "{title} of version {version} of {model}", title=label_plot(name), version=version, model=model.model
    )
    st.image(image, caption=describe_plot(name), width=WIDTH_PIXELS, alt=f"{alt}. {describe_plot(name)}")


def label_plot(name: str) -> str:
    """Return the title of a plot."""
    titles = {
        "feature_importance": t("Feature importance"),
        "feature_correlation": t("Feature correlation"),
        "confusion_matrix": t("Confusion matrix"),
        "roc": t("ROC curve"),
        "precision_recall": t("Precision and recall"),
        "calibration": t("Calibration"),
        "residuals": t("Residuals"),
        "optuna_history": t("Tuning: trials"),
        "optuna_importance": t("Tuning: hyperparameter importance"),
        "refine-optuna_history": t("Refinement: trials"),
        "refine-optuna_importance": t("Refinement: hyperparameter importance"),
    }
    return titles.get(name, name.replace("_", " ").replace("-", ": "))


def describe_plot(name: str) -> str:
    """Describe in a sentence what a plot shows."""
    sentences = {
        "feature_importance": t(
            "Loss of the metric on the test rows when the values of one column are shuffled. The column with "
            "the longest bar matters most."
        ),
        "feature_correlation": t("Correlation of the columns in the training rows, from -1 to 1."),
        "confusion_matrix": t("Number of test rows by actual class and predicted class."),
        "roc": t("True positive rate against false positive rate at all thresholds."),
        "precision_recall": t("Precision against recall at all thresholds."),
        "calibration": t("Share of positive rows against their predicted probability."),
        "residuals": t("Difference between the actual and the predicted value of the test rows."),
    }
    return sentences.get(name, t("Progress of the hyperparameter tuning."))
