"""The project's words: terms of the glossary, verbs for functions, one class name for one thing."""

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping

import pytest

from source_trees import ROOT, parse_source

THIS = "tests/test_language.py"
LOCKS = ("requirements/", "benchmarks/requirements/")
GENERATED = ("_pb2.py", "_pb2_grpc.py")
CLIENT_DOCUMENTS = "client/src/servicio_ml_client/documents.py"
"""Classes that are generated from the server's, by their names."""

REPLACED = {
    "throne": "set champion",
    "crown(ed|ing)?": "set champion",
    "bearers?": "version with alias",
    "voices?": "serving versions",
    "court": "decision context",
    "reign(s|ed|ing)?": "tenure",
    "dossiers?": "decision record, decision run",
    "standing": "candidate result",
    "worlds?": "ports, population",
    "begun": "started",
    "gathered": "bulk read, collected",
    "survey(s|ed)?": "journal statistics",
    "short roads?|roads?": "fast path, interface",
    "in hand": "in flight",
    "told|tells?": "report, send, show, export (whichever it is)",
    "fates?": "row status",
    "twins?": "train/test duplicates",
    "look ?alikes?": "synthetic",
    "leftovers?": "orphaned processes",
    "so many": "the number",
    "of one s own": "its own",
    "taught|teach(es)?|learn(t|ed) from": "trained on",
    "spellings?": "dialect, format",
    "succession": "champion decisions",
    "keepers?": "maintainer",
    "kept journals?": "maintained journal",
    "slot files?": "journal file",
    "ledgers?": "retraining decisions",
    "tall(y|ies)": "bin counts",
    "obtain(s|ed)?": "get, load",
    "answer now|answer named": "score_sync, score_idempotent",
    "aside": "run_in_thread",
    "tell apart": "distinguish",
    "troubles?": "errors",
    "stor(y|ies)": "history",
    "judgements?": "evaluation",
    "slowest of a hundred": "99th percentile (p99)",
    "look again": "refresh",
    "may be left empty": "optional",
    "room to (the|its|their) limits?": "margin to the threshold",
}
"""Words that the project does not use, as patterns, with the term instead; a space is any separator."""

ALLOWED = {
    "bearers?": r"[Bb]earer\b",  # the authentication scheme of HTTP (RFC 6750)
    "fates?": r"\bfate\b",  # label of the metric servicio_ml_pipeline_rows, a public contract
    "standing": r"\"standing[\".]",  # tag of MLflow runs, which stored runs have
    "told|tells?": r"\.tell\(\)",  # position in a file
    "worlds?": r"(outside|around the) world",  # ordinary English
}
"""Where a replaced word has its ordinary technical sense: what else may stand on the line."""

CHANGELOG = "CHANGELOG.md"
"""Names the words of earlier versions, as code."""

NAMES = frozenset(
    """
    begun court fate fates gathered greatest guard least once reign road standing story survey tell
    told trouble twins wire world
    """.split()  # noqa: SIM905  words in lines are read more easily
)
"""Names of functions, classes, variables and parameters that say too little or are participles."""

SHARED_CLASS_NAMES = {
    **dict.fromkeys(
        """
        CandidateResult DecisionEntry DriftColumn DriftState FeedbackReceipt FieldError FieldLocations
        FrequentValue Histogram ModelVersion PairMatrix PredictionBatch PublishedData QuarantineOverview
        RejectedValue RetrainingState RowCounts TrainingCandidates WhatIfCurve
        """.split(),  # noqa: SIM905  words in lines are read more easily
        "the pages' client reads the document that the API sends",
    ),
    **dict.fromkeys(("ForbiddenError", "UnauthorizedError"), "the Python client raises what the API answers"),
    **dict.fromkeys(("Onnx", "Pipeline"), "the same service of the benchmark in two frameworks"),
    "LoadedModel": "the version that a server has loaded, and the model in the process of an isolated one",
    "ReplayServer": "a protocol and the class that fulfils it",
}
"""Class names that stand in several modules, with the reason."""

VERBS = frozenset(
    """
    accept acknowledge acquire add adopt advance analyze announce answer append apply assign attempt authorize
    average avoid break build calibrate call can cast check checkpoint choose claim classify close
    collect compare complete compute conclude confirm connect convert copy count create cross decide
    declare decode delete deliver derive describe detect downgrade download draft draw drop encode
    end enqueue ensure escape evaluate evict execute explain export extract fail fetch fill filter
    find finish fit flatten floor flush format forward from generate get group handle has hash hold
    import infer init initialize inline inspect invert is iterate join judge keep label leave lift
    limit list load locate lock log main maintain make map mark match measure merge migrate move
    multiply name narrow needs normalize observe omit on open order override parse plan post predict prefetch
    prepare print process promote prune publish put query raise rank read receive record recover
    reduce refine refresh refuse register reject release reload remove rename render replace replay
    report request require resolve respond restore return rollback rotate round route run sample
    save scan score scrape search select send serve set settle ship shorten show shrink shuffle
    smooth sort spawn split stack stage start step stop store stream strip submit suggest sum
    summarize suppress takes terminate test tick time to train transform translate trim truncate try
    tune unload unpack update upgrade verify wants warm warn write
    abort adapt ask assert audit back begin follow recode relocate
    batch capture change clean clear compile crash cut deduplicate
    define disable divide do embed enlarge enter estimate exchange expect fire flip forget hit index
    insert interrupt kill letter link lose lower mask mutate note notify overwrite pause place prefill
    quote repeat reset restrict resume retrain rewrite scale serialize shift signal solve sync take
    touch type use visit wait walk watch weigh zip
    """.split()  # noqa: SIM905  words in lines are read more easily
)
"""First words of function names: verbs, predicates and prepositions of conversions."""

COMMANDS = frozenset(
    {"backtest", "drift", "environment", "etl", "experiment", "history", "key", "rollout", "slices"}
)
"""Functions of the command line that have the name of their command."""

GIVEN_NAMES = frozenset(
    {
        "connection_made",
        "data_received",
        "invocation_metadata",
        "lifespan",
        "pytest_configure",
        "pytest_ignore_collect",
        "readable",
        "readinto",
        "seek",
        "setup",
        "something_new",
        "startup",
        "t",
        "t_plural",
        "writable",
        "xrange",
    }
)
"""Functions that gRPC, ASGI, asyncio, pytest, LitServe, Airflow, uvicorn, `io`, gettext and Redis name."""

DOCSTRING_RIDDLES = re.compile(r"^(Of|That|Whose|It|By which|As it|The same)\b")


@pytest.fixture(scope="module")
def texts() -> Mapping[str, str]:
    """Path from the root to content, of every text file that git tracks or would."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip(f"not a git checkout: {listed.stderr.strip()}")
    return dict(_read_texts(listed.stdout.splitlines()))


def _read_texts(names: list[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        path = ROOT / name
        if name == THIS or name.startswith(LOCKS) or name.endswith(GENERATED) or not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" not in content:
            yield name, content.decode()


@pytest.mark.parametrize("word", REPLACED)
def test_a_replaced_word_is_used_nowhere(word: str, plain_texts: Mapping[str, str]) -> None:
    assert list(_find_word(word, plain_texts)) == [], f"say: {REPLACED[word]}"


@pytest.fixture(scope="module")
def plain_texts(texts: Mapping[str, str]) -> Mapping[str, str]:
    """The texts with the words inside a CamelCase name apart, and without the code of the change log."""
    found = {name: re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text) for name, text in texts.items()}
    return {**found, CHANGELOG: re.sub(r"`[^`\n]*`", "", found[CHANGELOG])}


def _find_word(word: str, plain_texts: Mapping[str, str]) -> Iterator[str]:
    spaced = word.replace(" ", r"[\s_.'-]")
    # a search that ignores case takes twenty times as long as one in lower case
    quick = re.compile(spaced)
    pattern = re.compile(rf"(?<![a-z])({spaced})(?![a-z])", re.IGNORECASE)
    for name, text in plain_texts.items():
        if quick.search(text.lower()) is None:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            left = re.sub(ALLOWED[word], "", line) if word in ALLOWED else line
            if pattern.search(left):
                yield f"{name}:{number}: {line.strip()[:120]}"


@pytest.fixture(scope="module")
def trees(texts: Mapping[str, str]) -> Mapping[str, ast.Module]:
    """Path from the root to syntax tree, of the Python files."""
    return {name: parse_source(ROOT / name) for name in texts if name.endswith(".py")}


def test_no_name_is_a_riddle(trees: Mapping[str, ast.Module]) -> None:
    assert [
        f"{name}:{line}: {found}"
        for name, tree in trees.items()
        for line, found in _list_names(tree)
        if found.lower().strip("_") in NAMES
    ] == []


def _list_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.arg():
                yield node.lineno, node.arg


def test_functions_start_with_a_verb(trees: Mapping[str, ast.Module]) -> None:
    assert [
        f"{name}:{node.lineno}: {node.name}"
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_exempt(node)
        if node.name.strip("_").split("_")[0] not in VERBS
    ] == []


def _is_exempt(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the language, a framework or a protocol gives the name: properties, commands, gRPC methods."""
    decorators = " ".join(map(ast.unparse, node.decorator_list))
    return (
        node.name.startswith(("__", "test_"))
        or node.name in COMMANDS | GIVEN_NAMES
        or node.name[:1].isupper()
        or any(word in decorators for word in ("property", "fixture", ".setter", ".command", ".callback"))
    )


def test_a_class_name_stands_for_one_thing(trees: Mapping[str, ast.Module]) -> None:
    places = defaultdict(list)
    for name, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not name.startswith(("tests/", CLIENT_DOCUMENTS)):
                places[node.name].append(name)
    shared = {name: found for name, found in places.items() if len(found) > 1}
    assert {name: found for name, found in shared.items() if name not in SHARED_CLASS_NAMES} == {}
    assert set(SHARED_CLASS_NAMES) <= set(shared)


def test_docstrings_are_no_riddles(trees: Mapping[str, ast.Module]) -> None:
    assert [
        f"{name}:{line}: {text[:100]}"
        for name, tree in trees.items()
        for line, text in _list_descriptions(tree)
        if DOCSTRING_RIDDLES.match(text)
    ] == []


def _list_descriptions(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """First lines of docstrings, and the descriptions of arguments and attributes in them."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            continue
        if not isinstance(node.value.value, str):
            continue
        first, *lines = node.value.value.split("\n")
        yield node.lineno, first
        for number, line in enumerate(lines, node.lineno + 1):
            if found := re.match(r" +\w+: (.*)", line):
                yield number, found[1]
