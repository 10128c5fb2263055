"""Traffic plan: what splits the traffic of a model among its versions, of which it has one at a time."""

from collections.abc import Callable, Mapping
from typing import Any

from servicio_ml.domain.rollout.rollout import ROLLOUT, Rollout, build_rollout

TrafficPlan = Rollout
BUILDERS: Mapping[str, Callable[[Mapping[str, Any]], TrafficPlan]] = {ROLLOUT: build_rollout}
"""Builders of plans from their stored documents, by kind."""
