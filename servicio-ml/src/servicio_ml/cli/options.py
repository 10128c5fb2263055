"""Arguments and options of the commands, as annotated types."""

from pathlib import Path
from typing import Annotated

import typer

from servicio_ml.cli.experiments.actions import BetterTruth, ExperimentAction
from servicio_ml.cli.rollout.actions import RolloutAction
from servicio_ml.domain.experiments.design import Bandit, ExperimentMetric
from servicio_ml.domain.rollout.ramp import Undecided
from servicio_ml.pipeline.backtest.fault_kinds import FaultKind

UseCaseName = Annotated[
    str, typer.Argument(metavar="USE_CASE", help="Name of a use case, such as rain_australia.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document, nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

# the raw data
RawSource = Annotated[
    str,
    typer.Option(
        metavar="PATH|URL|S3",
        help="Raw file: a path, http(s)://… or s3://…; when not given, the original in "
        "SERVICIO_ML_DATA_DIR, else what `servicio-ml data fetch` or `sample` left.",
    ),
]
DescribedSource = Annotated[
    str,
    typer.Option(
        metavar="PATH|URL|S3",
        help="Raw file: a path, http(s)://… or s3://…; when not given, the one that `etl` takes.",
    ),
]
SampleRows = Annotated[
    int | None, typer.Option(min=1, help="Number of rows; the use case's default when not given.")
]
SampleSeed = Annotated[
    int, typer.Option(min=0, help="Seed of the random numbers; the same seed gives the same file.")
]
UploadName = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of a use case, also of one that is not there yet.")
]
UploadFile = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="Raw file.")
]
SampleFile = Annotated[Path | None, typer.Option(help="File to write; when not given, where `etl` finds it.")]
FetchSeconds = Annotated[float, typer.Option(min=1, help="Maximum duration of the download, in seconds.")]

ForceSynthetic = Annotated[
    bool, typer.Option("--force", help="Let synthetic rows replace real ones in the period.")
]

# drafting
DraftName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the new use case, in snake case.")]
DraftSource = Annotated[
    str,
    typer.Option(metavar="PATH|URL|S3", help="Raw file: CSV or JSON lines (also packed), Excel or Parquet."),
]
DraftTarget = Annotated[
    str, typer.Option(metavar="COLUMN", help="Column to predict; asked for on a terminal when not given.")
]
DraftAnswersFile = Annotated[
    Path | None,
    typer.Option(
        "--answers",
        metavar="FILE",
        help="TOML or JSON file: `target`, `positive`, `time`, and `columns`, a table of corrections by "
        "column: `kind` (or `left out`), `minimum`, `maximum`, `levels`.",
    ),
]
PreviewDraft = Annotated[
    bool, typer.Option("--preview", help="Print the draft and its source, and write nothing.")
]
ForceDraft = Annotated[bool, typer.Option("--force", help="Replace the file if it is there already.")]
NeverAsk = Annotated[bool, typer.Option("--yes", help="Never ask: what is not given and needed is an error.")]
RunDraft = Annotated[
    bool, typer.Option("--run", help="Go on: ETL, a training of 60 seconds, and the decision of promotion.")
]

# periods
Period = Annotated[str, typer.Option(help="Month of the data, YYYY-MM.")]
PeriodOrCurrent = Annotated[
    str, typer.Option(help="Month of the data, YYYY-MM; this month (UTC) when not given.")
]
PeriodOrLatest = Annotated[str, typer.Option(help="Month of the data, YYYY-MM; the latest when not given.")]
JudgedPeriod = Annotated[
    str, typer.Option(help="Month of the evaluation rows, YYYY-MM; the latest when not given.")
]

# training
Trials = Annotated[int, typer.Option(min=1, help="Number of trials of each candidate.")]
TrainingSeconds = Annotated[
    float,
    typer.Option(
        min=0,
        help="Time limit for tuning and refining, in seconds; each candidate runs at least one trial.",
    ),
]
CandidateNames = Annotated[list[str] | None, typer.Option(help="Train only this candidate; may be repeated.")]
InitialParams = Annotated[
    str,
    typer.Option(
        "--params",
        metavar="FILE|JSON",
        help="YAML file, or JSON object, with the parameters of each candidate's first trial.",
    ),
]
ForceTraining = Annotated[bool, typer.Option("--force", help="Train even if nothing is new.")]
NoPromotion = Annotated[bool, typer.Option("--no-promote", help="Set the challenger without a promotion.")]
PromotionReason = Annotated[
    str,
    typer.Option(
        "--by-hand",
        metavar="REASON",
        help="Promote the challenger without a comparison; the history records the reason.",
    ),
]
PromoteAtOnce = Annotated[
    bool, typer.Option("--now", help="Promote at once, also where the policy has a rollout.")
]
RollbackVersion = Annotated[
    int | None, typer.Option(min=1, help="Version; the previous champion when not given.")
]

# experiments
ExperimentActionName = Annotated[
    ExperimentAction, typer.Argument(metavar="ACTION", help="start, stop, status or export.")
]
ArmShares = Annotated[
    str,
    typer.Option(
        "--shares",
        metavar="VERSION=SHARE,…",
        help="Share of the clients of each version, by number or alias: challenger=0.3,7=0.2. The champion "
        "gets the rest.",
    ),
]
ExperimentMetricName = Annotated[
    ExperimentMetric | None,
    typer.Option(
        "--metric", help="Mean that is compared: Brier score or absolute error, wrong classes, or truth."
    ),
]
MinimumEffect = Annotated[
    str,
    typer.Option(
        "--minimum-effect",
        metavar="NUMBER|SHARE%",
        help="Minimum improvement that matters, in the metric's unit; 5% of the champion's mean.",
    ),
]
TruthDirection = Annotated[
    BetterTruth | None, typer.Option("--better", help="Which truth is better; for the metric truth only.")
]
ExperimentErrorRate = Annotated[
    float | None, typer.Option("--error-rate", help="Probability that any verdict is ever wrong.")
]
ExperimentMaxHours = Annotated[float | None, typer.Option("--max-hours", help="Maximum time.")]
ExperimentMaxRows = Annotated[
    int | None, typer.Option("--max-rows", help="Maximum number of rows with ground truth.")
]
ExperimentLabelHours = Annotated[
    float | None, typer.Option("--label-hours", help="Time after the end in which ground truth counts.")
]
ExperimentDesignEffect = Annotated[
    float | None,
    typer.Option("--design-effect", help="Variance of a mean relative to that of independent rows."),
]
ExperimentBandit = Annotated[
    Bandit | None, typer.Option("--bandit", help="Rule by which the shares follow the outcomes.")
]
ExperimentMinShare = Annotated[
    float | None, typer.Option("--min-share", help="Minimum share of each version of a bandit.")
]
ExperimentAdaptHours = Annotated[
    float | None, typer.Option("--adapt-hours", help="Time between two changes of the shares by a bandit.")
]
ExperimentReason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it is stopped.")]
AssignmentsFile = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        help="File of the export: .csv, .parquet, .jsonl, .arrow or .arrows; CSV on standard output when "
        "not given.",
    ),
]

# rollouts
RolloutActionName = Annotated[
    RolloutAction, typer.Argument(metavar="ACTION", help="start, pause, resume, abort or status.")
]
RolledOutVersion = Annotated[
    str, typer.Option("--version", help="Version or alias to roll out; the challenger when not given.")
]
RolloutReason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why it is paused, resumed or aborted.")
]
RampShadow = Annotated[
    float | None, typer.Option("--shadow", help="Share of the rows that are scored in shadow, 0 to 1.")
]
RampSteps = Annotated[
    str,
    typer.Option("--steps", metavar="A,B,1", help="Shares of the clients, ascending: 0.05,0.5,1."),
]
RampMinRows = Annotated[
    int | None, typer.Option("--min-rows", help="Minimum number of rows that it scores in a step.")
]
RampMinHours = Annotated[float | None, typer.Option("--min-hours", help="Minimum time of a step.")]
RampMaxHours = Annotated[float | None, typer.Option("--max-hours", help="Maximum time of a step.")]
RampUndecided = Annotated[
    Undecided | None, typer.Option("--undecided", help="What happens after the maximum time.")
]
RampLabels = Annotated[
    bool | None,
    typer.Option("--labels/--no-labels", help="Whether a step waits for evidence on the loss."),
]
RampWatchHours = Annotated[
    float | None,
    typer.Option("--watch-hours", help="Time in which the former champion may come back by itself."),
]

# imports of models
ImportedModelUri = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="PATH|URI",
        help="Model file (.txt of LightGBM, .json or .ubj of XGBoost, .cbm, .onnx, .skops, .pkl), folder of "
        "MLflow, or models:/… or runs:/… of MLflow.",
    ),
]
ImportedData = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="PATH|URL|S3",
        help="Rows with the model's columns, and the ground truth where it is known.",
    ),
]
ImportedTarget = Annotated[
    str,
    typer.Option(
        "--target",
        metavar="COLUMN",
        help="Column with the ground truth; that of the use case. Without one, quality is not measured.",
    ),
]
UseCaseFile = Annotated[
    str,
    typer.Option(
        "--use-case",
        metavar="FILE|NAME",
        help="File of the use case, or an existing one; drafted from the rows when there is none.",
    ),
]
TrustPickle = Annotated[
    bool,
    typer.Option("--trust-pickle", help="Read a pickle, which runs the code in it, in a limited process."),
]
ModelRequirements = Annotated[
    Path | None,
    typer.Option(
        "--requirements",
        metavar="FILE",
        help="Requirements with hashes, of an environment of the model's own; this one when not given.",
    ),
]
ClassNames = Annotated[
    str,
    typer.Option(
        "--classes",
        metavar="A,B",
        help="Names of the classes in the order of the model's; those of the model when not given.",
    ),
]
IsolatedImport = Annotated[
    bool,
    typer.Option("--isolated", help="Run it in a process of its own, also where it could be ONNX."),
]
CalibrateImport = Annotated[
    bool,
    typer.Option("--calibrate", help="Calibrate its probabilities, and choose the threshold, on the rows."),
]

# scoring
ModelVersionOrAlias = Annotated[str, typer.Option(help="Version or alias; the champion when not given.")]
ScoringInput = Annotated[
    str,
    typer.Option(
        "--input",
        metavar="PATH|URL|S3",
        help="File to score: CSV or JSON lines (also packed), Excel or Parquet.",
    ),
]
ScoringOutput = Annotated[
    str, typer.Option(metavar="FOLDER|S3", help="Empty folder or s3://bucket/prefix for the output.")
]
KeptColumns = Annotated[list[str] | None, typer.Option(help="Column to copy to the output; may be repeated.")]
DialectName = Annotated[
    str, typer.Option(help="Dialect of the file, if its columns match several; `typed` for field names.")
]
ModelThreads = Annotated[
    int, typer.Option(min=0, help="Number of threads of the model; 0 for one per processor.")
]
IntervalLevel = Annotated[
    str,
    typer.Option(metavar="LEVEL", help="Add intervals, or sets of labels, of this level: 0.5 to 0.99."),
]
OutlierScores = Annotated[
    bool, typer.Option("--outlier", help="Add the outlier score of each row, and its limit.")
]
ForceScoring = Annotated[bool, typer.Option("--force", help="Delete the existing output.")]

# logged predictions
Since = Annotated[
    str,
    typer.Option(metavar="TIME", help="Start: 1h to 90d before now, or a time (UTC) as 2026-01-31T12:00."),
]
Until = Annotated[str, typer.Option(metavar="TIME", help="End, exclusive; now when not given.")]
AnsweringVersion = Annotated[int | None, typer.Option(min=1, help="Version; all of them when not given.")]
RowLimit = Annotated[int | None, typer.Option(min=1, help="Maximum number of rows, the oldest.")]
PredictionsFile = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        help="File to write: .csv, .parquet, .jsonl, .arrow or .arrows (a stream); "
        "CSV on standard output when not given.",
    ),
]

# drift and backtest
WindowLength = Annotated[str, typer.Option("--window", help="Length of the window that ends now, 1h to 90d.")]
AcceptedFeature = Annotated[
    str,
    typer.Argument(
        metavar="FEATURE", help="Field, or `prediction`; without one, what is accepted is listed."
    ),
]
AcceptedUntil = Annotated[
    str, typer.Option(metavar="YYYY-MM-DD", help="Last day (UTC), at most 366 days ahead.")
]
AcceptReason = Annotated[str, typer.Option(metavar="TEXT", help="Why the drift is acceptable.")]
EndAcknowledgement = Annotated[bool, typer.Option("--end", help="Accept the drift no longer.")]
WindowVersion = Annotated[int | None, typer.Option(min=1, help="Version; the champion when not given.")]
LabelledSource = Annotated[
    str,
    typer.Option(
        "--stream", metavar="PATH|URL|S3", help="Labelled raw rows: CSV, JSON lines, Excel or Parquet."
    ),
]
FirstMonth = Annotated[str, typer.Option("--from", metavar="YYYY-MM", help="First month of the replay.")]
LastMonth = Annotated[str, typer.Option("--to", metavar="YYYY-MM", help="Last month of the replay.")]
RowsPerMonth = Annotated[int, typer.Option(min=0, help="Maximum number of rows of a month; 0 for all.")]
Fault = Annotated[FaultKind | None, typer.Option(help="Replay the stream a second time, with this fault.")]
FaultMonth = Annotated[
    str, typer.Option(metavar="YYYY-MM", help="First month of the fault; the last when not given.")
]
FaultField = Annotated[str, typer.Option(help="Field that the fault affects; a suitable one when not given.")]
RulesFolder = Annotated[
    Path, typer.Option(metavar="FOLDER", help="Folder of the rules, which are evaluated once a day.")
]

# streams
StreamModels = Annotated[
    list[str] | None,
    typer.Option(help="Serve only this model; may be repeated. Default: SERVICIO_ML_MODELS."),
]
MetricsPort = Annotated[int, typer.Option(min=0, max=65535, help="Port of the worker's metrics; 0 for none.")]
ClaimSeconds = Annotated[
    float,
    typer.Option(min=0.1, help="Seconds after which other workers take over the requests of a dead one."),
]
RequestCount = Annotated[int, typer.Option(min=1, help="Number of requests.")]
RequestRate = Annotated[float, typer.Option(min=0, help="Requests per second; 0 for no limit.")]
DriftAfter = Annotated[
    int | None,
    typer.Option(
        metavar="ROWS", min=0,
        help="Requests after which every number is a tenth of its range too high; none when not given.",
    ),
]  # fmt: skip
RequestSeed = Annotated[
    int, typer.Option(min=0, help="Seed of the random numbers; the same seed gives the same requests.")
]

# retention
KeptPeriods = Annotated[
    int | None,
    typer.Option(
        min=1, help="Number of periods of each use case to keep. Default: SERVICIO_ML_RETENTION_PERIODS."
    ),
]
KeptRunsDays = Annotated[
    float | None,
    typer.Option(
        min=0, help="Days to keep runs, versions and reports. Default: SERVICIO_ML_RETENTION_RUNS_DAYS."
    ),
]

# steps
RawUri = Annotated[str, typer.Option(metavar="URI", help="Raw file, from the step `extract`.")]
RawFileSource = Annotated[str, typer.Option(help="Source of the file, from the step `extract`.")]
StagedUri = Annotated[str, typer.Option(metavar="URI", help="Typed rows, from the step `transform`.")]
PreparedUri = Annotated[str, typer.Option(metavar="URI", help="Split rows, from the step `split`.")]
CandidateName = Annotated[str, typer.Option(help="Candidate of the plan.")]
RunId = Annotated[str, typer.Option("--run", metavar="ID", help="Parent run, from the step `plan`.")]
TrainingRunId = Annotated[str, typer.Option("--run", metavar="ID", help="Parent run of a training.")]
DecisionRunId = Annotated[
    str, typer.Option("--decision-run", metavar="ID", help="Run of the decision, from the step `judge`.")
]
