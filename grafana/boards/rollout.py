"""Panels and events of a model's rollout: both versions side by side, and the guardrails."""

from grafana.board import BoardEvent
from grafana.colours import BAD, GOOD, NEUTRAL, ORANGE
from grafana.expressions import MILLISECONDS, MODEL, WINDOW, select
from grafana.panels import LinesPanel, PanelQuery, QueryRole
from grafana.tables import TableColumn, TablePanel

CHANGED = select("servicio_ml_rollout_changed_timestamp_seconds", MODEL)
SHARE = select("servicio_ml_rollout_share", MODEL)
DEADLINE = select("servicio_ml_rollout_deadline_timestamp_seconds", MODEL)
CHANGE_LABELS = {"challenger": "Challenger", "champion": "Champion", "state": "State", "by": "Changed by"}
BACK = 'state=~"rolling_back|rolled_back"'


def _build_event(name: str, states: str, colour: str) -> BoardEvent:
    changed = select("servicio_ml_rollout_changed_timestamp_seconds", MODEL, states)
    return BoardEvent(
        name=name,
        expr=f"max by (challenger, state, share) ({changed}) * {MILLISECONDS}",
        title="Version {{challenger}}: {{state}}, share {{share}}",
        by_value=True,
        colour=colour,
    )


ROLLOUT_EVENTS = (
    _build_event("Rollout", BACK.replace("=~", "!~"), ORANGE),
    _build_event("Rollback", BACK, BAD),
)
"""Steps and ends of rollouts, each at its time."""


def _describe_change(expr: str) -> str:
    """Give an expression of the model the labels of the last change."""
    labels = ", ".join(CHANGE_LABELS)
    return f"max by ({labels}) (0 * {CHANGED} + on (model) group_left () max by (model) ({expr}))"


def _select_arms(expr: str) -> str:
    """Restrict an expression to the two versions of the rollout, and name the arm of each."""
    arms = f"max by (model, version, arm) (0 * {SHARE} + 1)"
    return f"sum by (arm, version) ({expr} * on (model, version) group_left (arm) {arms})"


def _build_loss_panel(record: str, title: str, unit: str, about: str) -> LinesPanel:
    realised, expected = (
        _select_arms(select(record.format(kind=kind), MODEL, WINDOW)) for kind in ("realised", "expected")
    )
    return LinesPanel(
        title,
        unit,
        f"{about} of champion and challenger over the window, from ground truth. Dashed grey: expected,"
        " before ground truth is known. The versions may have scored different rows here; the guardrails"
        " compare them on the same ones.",
        [
            PanelQuery(realised, "{{arm}}, version {{version}}"),
            PanelQuery(expected, "{{arm}}, version {{version}}, expected", QueryRole.REFERENCE),
        ],
        width=8,
        bottom=None,
    )


def _select_guardrail(name: str) -> str:
    return f"max by (guardrail) ({select(f'servicio_ml_rollout_guardrail_{name}', MODEL)})"


ROLLOUT = (
    TablePanel(
        "State of the rollout",
        "short",
        "Newest rollout of the model, until a week after its end. Deadline: time left in the step or in the"
        " watch period. No data: no rollout.",
        height=6,
        labels=CHANGE_LABELS,
        columns=[
            TableColumn(
                "Challenger's share",
                _describe_change(select("servicio_ml_rollout_share", MODEL, arm="challenger")),
                "percentunit",
            ),
            TableColumn("Since", _describe_change(f"time() - {CHANGED}"), "s"),
            TableColumn("Deadline", _describe_change(f"{DEADLINE} - time()"), "s"),
        ],
        alerts=["RolloutStuck", "RollbackStuck", "RolloutAborted"],
    ),
    TablePanel(
        "Guardrails",
        "short",
        "Evidence at the last evaluation. Breached: the challenger is worse than the limit allows, and goes"
        " back. Open: not enough rows yet. loss, expected_loss: growth of the loss on the same rows; shift:"
        " of the mean score, in standard deviations; failures: share of the rows; latency: share of the"
        " trials that are slower than allowed.",
        height=6,
        labels={"guardrail": "Guardrail"},
        columns=[
            TableColumn(
                "Verdict",
                _select_guardrail("verdict"),
                steps=((None, GOOD), (1, NEUTRAL), (2, BAD)),
                value_names={0: ("holds", GOOD), 1: ("open", NEUTRAL), 2: ("breached", BAD)},
            ),
            TableColumn("Value", _select_guardrail("value")),
            TableColumn("Limit", _select_guardrail("limit")),
            TableColumn("Rows or trials", _select_guardrail("rows")),
        ],
        alerts=["RolloutRolledBack"],
    ),
    LinesPanel(
        "Share of the clients",
        "percentunit",
        "Share of the clients that each version answers, stacked.",
        [PanelQuery(f"max by (arm, version) ({SHARE})", "{{arm}}, version {{version}}")],
        width=8,
        stacked=True,
        top=1,
    ),
    LinesPanel(
        "Rows of both versions",
        "rowsps",
        "Rows per second that champion and challenger answered, or scored in shadow to be compared.",
        [
            PanelQuery(
                _select_arms(select("model:predictions:rate5m", MODEL, f'protocol{sign}"shadow"')),
                f"{{{{arm}}}}, version {{{{version}}}}{suffix}",
            )
            for sign, suffix in (("!=", ""), ("=", ", in shadow"))
        ],
        width=8,
    ),
    LinesPanel(
        "Guardrails by their limits",
        "short",
        "Measured value over its limit. Beyond the dashed line the value is over its limit; the verdict waits"
        " until chance is ruled out.",
        [
            PanelQuery(
                f"abs({_select_guardrail('value')}) / {_select_guardrail('limit')}", "{{guardrail}}"
            ),
            PanelQuery("vector(1)", "limit", QueryRole.LIMIT),
        ],
        width=8,
        alerts=["RolloutRolledBack"],
    ),
    _build_loss_panel("model:accuracy_{kind}:ratio", "Accuracy of both versions", "percentunit", "Accuracy"),
    _build_loss_panel("model:f1_macro_{kind}:ratio", "F1 of both versions", "percentunit", "Mean F1"),
    _build_loss_panel(
        "model:mae_{kind}:value", "Absolute error of both versions", "short", "Mean absolute error"
    ),
)  # fmt: skip
