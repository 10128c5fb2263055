"""The page of a drift report, rendered by Evidently; the server never imports it."""

from servicio_ml.adapters.evidently.page import render_page

__all__ = ["render_page"]
