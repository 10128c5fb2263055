"""`servicio-ml acknowledge`: drift that people accept until a day."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from servicio_ml.cli.options import (
    AcceptedFeature,
    AcceptedUntil,
    AcceptReason,
    Debug,
    EndAcknowledgement,
    Json,
    UseCaseName,
)
from servicio_ml.cli.promote import get_user
from servicio_ml.cli.session import CommandSession, open_session
from servicio_ml.errors import SettingsError

if TYPE_CHECKING:
    from servicio_ml.domain.drift import Acknowledgement
    from servicio_ml.domain.ports.decision_log import DecisionLog
    from servicio_ml.lifecycle.acknowledgements import AcknowledgementRequest

HEAD = ("feature", "until", "PSI", "missing", "by", "why")


def acknowledge(
    name: UseCaseName,
    feature: AcceptedFeature = "",
    until: AcceptedUntil = "",
    reason: AcceptReason = "",
    end: EndAcknowledgement = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Accept the drift of a feature until a day: its tickets stay closed, unless the drift doubles.

    Without a feature, list what is accepted. The champion's logged rows of the last 30 days give the size of
    the drift; the decision log keeps it.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.use_cases.catalogue import find

        find(name, here.settings.use_cases_dir)
        _check_options(feature, until, reason, end=end)
        log = bootstrap.open_decision_log(here.settings)
        if feature and end:
            _end(log, name, feature)
        elif feature:
            from servicio_ml.lifecycle.acknowledgements import AcknowledgementRequest

            asked = AcknowledgementRequest(
                model=name, feature=feature, until=until, reason=reason, by=get_user()
            )
            log.add_acknowledgement(_measure(here, asked))
        _show(here, name, log)


def _check_options(feature: str, until: str, reason: str, *, end: bool) -> None:
    texts = {"--until": until, "--reason": reason}
    named = [option for option, value in {**texts, "--end": end}.items() if value]
    if not feature:
        problem, wrong = "it is about one feature; name it after the use case", named
    elif end:
        problem, wrong = "an end takes effect now and has no reason of its own; leave it out", named[:-1]
    else:
        problem = "it is missing; give a last day and why the drift is acceptable"
        wrong = [option for option, value in texts.items() if not value]
    if wrong:
        raise SettingsError(wrong[0], problem)


def _measure(here: CommandSession, asked: "AcknowledgementRequest") -> "Acknowledgement":
    """Build the acknowledgement of a drift that the champion's logged rows show."""
    from servicio_ml import bootstrap
    from servicio_ml.features.artifact import load_version
    from servicio_ml.lifecycle.acknowledgements import build_acknowledgement, measure_windows, parse_last_day
    from servicio_ml.lifecycle.versions import find_version

    now = time.time()
    # a wrong day is reported before the rows are read
    parse_last_day(asked.until, now)
    _, registry = bootstrap.connect_mlflow(here.settings)
    champion = find_version(registry, asked.model, "")
    reference = load_version(registry, champion).reference
    predictions = bootstrap.open_prediction_log(here.settings)
    windows = measure_windows(reference, predictions, asked.model, champion.version, now)
    return build_acknowledgement(asked, reference, windows, now)


def _end(log: "DecisionLog", model: str, feature: str) -> None:
    from servicio_ml.lifecycle.acknowledgements import build_end

    history = log.load_acknowledgements(model)
    log.add_acknowledgement(build_end(model, feature, get_user(), history, time.time()))


def _show(here: CommandSession, model: str, log: "DecisionLog") -> None:
    from servicio_ml.domain.drift import select_held
    from servicio_ml.lifecycle.retraining_policy import format_time

    history = log.load_acknowledgements(model)
    held = select_held(history, time.time())
    rows = [
        [
            each.feature, format_time(each.until), f"{each.psi:.3g}", f"{each.missing_excess:.1%}", each.by,
            each.reason,
        ]
        for each in held
    ]  # fmt: skip
    here.print_table(f"{model}: accepted drift", HEAD, rows)
    if not held:
        here.print_line("no drift is accepted")
    document: dict[str, Any] = {
        "model": model,
        "held": [asdict(each) for each in held],
        "history": [asdict(each) for each in history],
    }  # fmt: skip
    here.print_document(document)
