"""Files of alerting and recording rules, as Prometheus reads them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from servicio_ml.errors import SettingsError

# strings are removed first, as label values could look like names of metrics
TEXT = re.compile(r'"(?:\\.|[^"\\])*"|' + r"'(?:\\.|[^'\\])*'|`[^`]*`")
WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
# Prometheus allows compound durations such as 1h30m
DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w|y)")
UNIT_SECONDS = {"ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertingRule:
    """One rule.

    Attributes:
        name: Name of the record or the alert.
        query: Its expression.
        labels: Labels that the rule adds.
        seconds: How long the expression must hold before an alert fires.
    """

    name: str
    query: str
    labels: Mapping[str, str]
    seconds: float = 0.0

    @property
    def reads(self) -> frozenset[str]:
        """The words of the expression, names of metrics among them."""
        return frozenset(WORD.findall(TEXT.sub("", self.query)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """What a folder holds."""

    records: Sequence[AlertingRule]
    alerts: Sequence[AlertingRule]


def read_rules(folder: Path) -> RuleSet:
    """The rules of all YAML files of a folder.

    Raises:
        SettingsError: There are none.
    """
    # a fixed order on every file system
    files = sorted((*folder.glob("*.yaml"), *folder.glob("*.yml")))
    rules = [rule for path in files for group in _read_groups(path) for rule in group["rules"]]
    if not rules:
        raise SettingsError("--rules", f"{folder} holds no rules; give the folder monitoring/backtest/rules")
    return RuleSet(
        records=[_build_rule(rule["record"], rule) for rule in rules if "record" in rule],
        alerts=[_build_rule(rule["alert"], rule) for rule in rules if "alert" in rule],
    )


def _read_groups(path: Path) -> Sequence[Mapping[str, Any]]:
    try:
        groups: Sequence[Mapping[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise SettingsError(
            "--rules", f"{path} is no rule file ({error}); `promtool check rules` says why"
        ) from error
    return groups


def _build_rule(name: str, document: Mapping[str, Any]) -> AlertingRule:
    return AlertingRule(
        name=name,
        query=str(document["expr"]),
        labels=document.get("labels", {}),
        seconds=sum(
            int(count) * UNIT_SECONDS[unit] for count, unit in DURATION.findall(str(document.get("for", "")))
        ),
    )
