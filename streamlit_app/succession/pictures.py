"""The pictures that training left of a version, one at a time: only the one that is looked at is fetched."""

import streamlit as st

from streamlit_app import session
from streamlit_app.client import models as client
from streamlit_app.client.service import Model
from streamlit_app.succession.words import CHAMPION, bearer, candidate
from streamlit_app.text import t

WIDTH_PIXELS = 770
"""As they are drawn."""
LEADING = ("feature_importance", "roc", "confusion_matrix", "calibration", "precision_recall", "residuals")
"""What is looked at first."""


def pick_version(model: Model, key: str) -> int | None:
    """The choice of a version, the champion's first; None where there is none."""
    champion = bearer(model, CHAMPION)
    known = {each.version: each for each in model.versions}
    if not known:
        st.caption(t("No version is registered yet."))
        return None
    first = [champion.version] if champion else []
    order = [*first, *(version for version in known if version not in first)]

    def titled(version: int) -> str:
        aliases = [alias for alias in known[version].aliases if alias in {"champion", "challenger"}]
        words = [str(version), candidate(known[version]), *(_alias(alias) for alias in aliases)]
        return " · ".join(words)

    chosen: int | None = st.selectbox(t("Version"), order, format_func=titled, key=f"{key}:{model.model}")
    return chosen


def _alias(alias: str) -> str:
    return t("champion") if alias == CHAMPION else t("challenger")


def draw(model: Model) -> None:
    """Draw the chosen one."""
    version = pick_version(model, "models_pictured")
    if version is None:
        return
    names = session.read(client.pictures, model.model, version)
    if not names:
        st.info(t("MLflow holds no pictures of this version."))
        return
    order = [*(name for name in LEADING if name in names), *(name for name in names if name not in LEADING)]
    name = st.selectbox(t("Picture"), order, format_func=title, key="models_picture")
    picture = session.read(client.picture, model.model, version, name)
    alt = t("{title} of version {version} of {model}", title=title(name), version=version, model=model.model)
    st.image(picture, caption=about(name), width=WIDTH_PIXELS, alt=f"{alt}. {about(name)}")


def title(name: str) -> str:
    """Of a picture."""
    titles = {
        "feature_importance": t("Feature importance"),
        "feature_correlation": t("Feature correlation"),
        "confusion_matrix": t("Confusion matrix"),
        "roc": t("ROC curve"),
        "precision_recall": t("Precision and recall"),
        "calibration": t("Calibration"),
        "residuals": t("Residuals"),
        "optuna_history": t("Trials of the tuning"),
        "optuna_importance": t("Importance of the hyperparameters"),
        "refine-optuna_history": t("Trials of the refining"),
        "refine-optuna_importance": t("Importance of the hyperparameters in the refining"),
    }
    return titles.get(name, name.replace("_", " ").replace("-", ": "))


def about(name: str) -> str:
    """What a picture shows, in a sentence."""
    sentences = {
        "feature_importance": t(
            "How much the metric loses on test rows when one column is shuffled; the longest bar matters "
            "most."
        ),
        "feature_correlation": t("How the columns of the training rows go together, from -1 to 1."),
        "confusion_matrix": t("How many test rows of each class were given each label."),
        "roc": t("Share of the positives found against share of false alarms, over all thresholds."),
        "precision_recall": t("Share of right alarms against share of the positives found."),
        "calibration": t("What share of rows with a predicted probability really was positive."),
        "residuals": t("How far each prediction of the test rows was off."),
    }
    return sentences.get(name, t("How the tuning of the hyperparameters went."))
