"""`servicio-ml backtest`: which alerts a stream of the past would have raised."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from servicio_ml.cli.session import Debug, Json, Session, UseCaseName, processors, session
from servicio_ml.domain.breakage import Breakage
from servicio_ml.errors import SettingsError

if TYPE_CHECKING:
    from servicio_ml.domain.ports import ModelVersion
    from servicio_ml.features.artifact import Artifact
    from servicio_ml.pipeline.backtest import Month
    from servicio_ml.pipeline.backtest_rules import Firing, Rules
    from servicio_ml.pipeline.backtest_stream import Stream

RULES = Path("monitoring/backtest/rules")
SHOWN_FEATURES = 4
"""Of those that an alert is about, the ones that it was about on the most days."""
PREDICTION = "prediction"
"""The feature that is none."""
SEED = 0
"""Of the rows that are chosen."""


def backtest(
    name: UseCaseName,
    source: Annotated[
        str, typer.Option("--stream", metavar="PATH|URL|S3", help="Labelled raw rows, CSV or Parquet.")
    ],
    first: Annotated[str, typer.Option("--from", metavar="YYYY-MM", help="First month.")],
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM", help="Last month.")],
    version: Annotated[str, typer.Option(help="Version or alias; the champion when not given.")] = "",
    rows_per_month: Annotated[int, typer.Option(min=0, help="Most rows of a month; 0 for all.")] = 0,
    fault: Annotated[Breakage | None, typer.Option(help="Replay the stream with this fault too.")] = None,
    fault_from: Annotated[
        str, typer.Option(metavar="YYYY-MM", help="First month of the fault; the last when not given.")
    ] = "",
    fault_field: Annotated[str, typer.Option(help="What breaks; one that can when not given.")] = "",
    rules: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Rules that are evaluated once a day.")
    ] = RULES,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Replay a stream day by day through the server's counters and the rules of the alerts.

    Tells which alerts would have fired in each month, beside the realised performance. Needs the programs
    prometheus and promtool.
    """
    with session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.features.artifact import load_version
        from servicio_ml.pipeline.backtest import caught, reference
        from servicio_ml.pipeline.backtest_faults import broken
        from servicio_ml.pipeline.backtest_rules import read_rules
        from servicio_ml.pipeline.backtest_stream import between, read_stream, sampled
        from servicio_ml.pipeline.score import find_version
        from servicio_ml.use_cases.catalogue import find

        use_case, read = find(name, here.settings.use_cases_dir), read_rules(rules)
        tracker, registry = bootstrap.runs_and_models(here.settings)
        info = find_version(registry, name, version)
        artifact, title = load_version(registry, info, threads=processors()), f"{name} version {info.version}"
        schema = artifact.encoder.schema
        broke = None
        if fault is not None:
            broke = broken(fault, fault_from or last, fault_field, schema, use_case.target)
            _refuse_outside(broke.month, first, last)
        with tempfile.TemporaryDirectory(prefix="servicio-ml-backtest-") as folder:
            with bootstrap.source(here.settings, source) as path:
                stream = read_stream(path, source, use_case, schema, Path(folder), here.progress)
            stream = between(stream, first, last)
            if rows_per_month:
                stream = sampled(stream, rows_per_month, SEED)
        months, known = _replayed(here, stream, info, artifact, read), reference(tracker, info, use_case)
        document = {"model": name, "version": info.version, "reference": known}
        if broke is None:
            _show(here, title, known, months)
        else:
            without, months = months, _replayed(here, broke.into(stream), info, artifact, read)
            found = caught(months, without, broke)
            _show(here, f"{title}: {broke.what} from {broke.month}", known, months)
            here.line(f"caught in {broke.month} by: {_words(found) or 'nothing'}")
            document |= {"fault": broke.what, "caught": [each.to_json() for each in found]}
        here.document({**document, "months": [each.to_json() for each in months]})


def _refuse_outside(month: str, first: str, last: str) -> None:
    if not first <= month <= last:
        raise SettingsError("--fault-from", f"{month} is not from {first} to {last}")


def _replayed(
    here: Session, stream: "Stream", info: "ModelVersion", artifact: "Artifact", rules: "Rules"
) -> "list[Month]":
    from servicio_ml import bootstrap
    from servicio_ml.pipeline.backtest import backtest as run
    from servicio_ml.serving.replay import Replay

    with (
        tempfile.TemporaryDirectory(prefix="servicio-ml-backtest-") as folder,
        bootstrap.history() as history,
        closing(Replay(info, artifact, bootstrap.scratch_log(), Path(folder))) as server,
    ):
        return run(stream, server, history, rules, here.progress)


def _show(here: Session, title: str, known: Mapping[str, float], months: "Sequence[Month]") -> None:
    from servicio_ml.pipeline.backtest import PAGE, TICKET

    names = list(months[0].metrics)
    head = ["month", "rows", "refused", "labelled", *(name.replace("_", " ") for name in names)]
    rows = [
        [
            each.month, each.rows, each.refused, each.labelled,
            *(_number(each.metrics[name]) for name in names), _number(each.drifted_share),
            _words(each.alerts(PAGE)), _words(each.alerts(TICKET)),
        ]
        for each in months
    ]  # fmt: skip
    reference = ["reference", "", "", "", *(_number(known[name]) if name in known else "" for name in names)]
    here.table(title, [*head, "drifted", "pages", "tickets"], [[*reference, "", "", ""], *rows])


def _words(firings: "Iterable[Firing]") -> str:
    """Alerts by name, with the features that they are about."""
    by_name = groupby(sorted(firings, key=lambda each: each.alert), key=lambda each: each.alert)
    return "; ".join(_one(name, list(group)) for name, group in by_name)


def _one(name: str, firings: "Sequence[Firing]") -> str:
    days: Counter[str] = Counter()
    for each in firings:
        days[each.labels.get("feature", "")] += len(each.times)
    features = [feature for feature, _ in days.most_common() if feature not in {"", PREDICTION}]
    more = f", +{len(features) - SHOWN_FEATURES}" if len(features) > SHOWN_FEATURES else ""
    named = f"{name} ({', '.join(features[:SHOWN_FEATURES])}{more})" if features else name
    return named if any(each.starts for each in firings) else f"{named} still"


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.4g}"  # noqa: PLR0124  NaN
