"""Spanish: the English text to what is shown, by page."""

from collections.abc import Mapping

from streamlit_app.spanish import data, drift, live, models, predict, shell, use_cases

PARTS = (shell.TEXTS, predict.TEXTS, data.TEXTS, models.TEXTS, drift.TEXTS, live.TEXTS, use_cases.TEXTS)
SPANISH: Mapping[str, str] = {english: text for part in PARTS for english, text in part.items()}
