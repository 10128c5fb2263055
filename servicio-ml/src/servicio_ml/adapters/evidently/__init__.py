"""The page of a drift report, made by Evidently; never imported by the server."""

from servicio_ml.adapters.evidently.page import explain

__all__ = ["explain"]
