"""Versions of a model by their number or alias."""

from servicio_ml.domain.ports.registry import ModelVersion, Registry
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.errors import NoSuchModelError


def find_version(registry: Registry, model: str, wanted: str) -> ModelVersion:
    """A version by its number or alias; the champion when `wanted` is empty.

    Raises:
        NoSuchModelError: There is none.
        RegistryError: MLflow cannot be reached.
    """
    if wanted.isascii() and wanted.isdigit():
        return registry.get_version(model, int(wanted))
    alias = wanted or CHAMPION
    found = registry.resolve(model, alias)
    if found is None:
        remedy = f"see `servicio-ml history {model}`" if wanted else f"run `servicio-ml train {model}` first"
        raise NoSuchModelError(model, f"version with the alias {alias!r}", remedy)
    return found
