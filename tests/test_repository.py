"""The repository itself: what is tracked, what the locks hold, where the documents point."""

import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LARGEST_FILE_BYTES = 1_000_000
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("deb", "debian", "org"),
        ("anaconda", "org"),
    )
]
# bracketed so that this file does not match itself
UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X]|HAC[K]|breakpoin[t]\(|pdb\.set_trac[e]|time\.slee[p])")
ONE_MACHINE = re.compile(r"/(home|Users|root)/[a-z]|[A-Z]:\\Users")
DECISION_RECORDS = sorted((ROOT / "docs" / "adr").glob("*.md"))
ADR_HEADINGS = ["Context", "Decision", "Consequences", "Alternatives"]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LOCKS = ["bootstrap", "pipeline", "serving", "streamlit", "dev"]
APART = ["airflow", "notebooks"]
"""Locks of environments of their own, whose versions may differ."""


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Every tracked file, and every new one that git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip(f"not a git checkout: {listed.stderr.strip()}")
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]


@pytest.fixture(scope="module")
def texts(tracked: list[Path]) -> Mapping[str, str]:
    """Path from the root to content, of the tracked text files."""
    read = {}
    for path in tracked:
        content = path.read_bytes()
        if b"\0" not in content:
            read[str(path.relative_to(ROOT))] = content.decode()
    return read


def _find_lines(texts: Mapping[str, str], pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_a_package_registry(texts: Mapping[str, str]) -> None:
    assert _find_lines(texts, re.compile("|".join(map(re.escape, REGISTRY_HOSTS)))) == []


def test_nothing_is_left_unfinished(texts: Mapping[str, str]) -> None:
    assert _find_lines(texts, UNFINISHED) == []


def test_no_path_of_one_machine(texts: Mapping[str, str]) -> None:
    assert _find_lines(texts, ONE_MACHINE) == []


def test_only_small_files(tracked: list[Path]) -> None:
    assert [path for path in tracked if path.stat().st_size > LARGEST_FILE_BYTES] == []


def test_no_lock_with_addresses(tracked: list[Path]) -> None:
    assert [path for path in tracked if path.name == "uv.lock"] == []


def test_nothing_shadows_apache_airflow(tracked: list[Path]) -> None:
    assert ROOT / "airflow" / "__init__.py" not in tracked


def test_ci_calls_the_readmes_command_last(texts: Mapping[str, str]) -> None:
    assert texts[".ci/run"].splitlines()[-1] == "make test"
    assert re.search(r"^make test$", texts["README.md"], re.MULTILINE)


def test_every_target_has_its_line_of_help(texts: Mapping[str, str]) -> None:
    assert set(re.findall(r"^([a-z-]+):.* ## ", texts["Makefile"], re.MULTILINE)) == _list_targets(texts)


def test_pre_commit_calls_make_only(texts: Mapping[str, str]) -> None:
    repositories = yaml.safe_load(texts[".pre-commit-config.yaml"])["repos"]
    assert [each["repo"] for each in repositories] == ["local"]
    entries = [hook["entry"].split() for hook in repositories[0]["hooks"]]
    assert {entry[0] for entry in entries} == {"make"}
    assert {entry[-1] for entry in entries} <= _list_targets(texts)


def _list_targets(texts: Mapping[str, str]) -> set[str]:
    [phony] = re.findall(r"^\.PHONY: (.+)$", texts["Makefile"], re.MULTILINE)
    return set(phony.split())


def test_markdown_links_resolve(texts: Mapping[str, str]) -> None:
    broken = [
        f"{name} -> {target}"
        for name, text in texts.items()
        if name.endswith(".md")
        for target in LINK.findall(FENCE.sub("", text))
        if not _is_resolved(ROOT / name, target)
    ]
    assert broken == []


def _is_resolved(page: Path, target: str) -> bool:
    if re.match(r"[a-z]+:", target):
        return True
    path, _, anchor = target.partition("#")
    file = page if not path else page.parent / path
    if not file.exists():
        return False
    return not anchor or anchor in _list_anchors(file.read_text())


def _list_anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", DECISION_RECORDS, ids=lambda page: page.stem)
def test_a_decision_record_has_its_four_parts(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ADR_HEADINGS
    assert re.search(r"^Status: (accepted|superseded)", text, re.MULTILINE)
    assert text.startswith(f"# {int(page.name[:4])}. ")


def test_decision_records_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in DECISION_RECORDS] == list(range(1, len(DECISION_RECORDS) + 1))


def _read_locked(name: str) -> Mapping[str, list[tuple[Requirement, int]]]:
    """Package name to its requirements (one per environment marker) with their number of hashes."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    found: dict[str, list[tuple[Requirement, int]]] = {}
    for block in re.split(r"\n(?=\S)", text.strip()):
        first, *hashes = block.split(" \\\n")
        requirement = Requirement(first)
        assert all(re.fullmatch(r" +--hash=sha256:[0-9a-f]{64}", line) for line in hashes), block
        found.setdefault(canonicalize_name(requirement.name), []).append((requirement, len(hashes)))
    return found


@pytest.mark.parametrize("name", [*LOCKS, *APART])
def test_a_lock_pins_and_hashes_everything(name: str) -> None:
    loose = [
        str(requirement)
        for requirements in _read_locked(name).values()
        for requirement, hashes in requirements
        if hashes == 0 or requirement.url or not str(requirement.specifier).startswith("==")
    ]
    assert loose == []


def _list_direct(name: str) -> Iterator[Requirement]:
    """What the project itself asks for in an environment."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    project = tomllib.loads((ROOT / "servicio-ml" / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    client = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text())["project"]
    of_the_project = [*project["dependencies"], *extras["pipeline"], *extras["fetch"]]
    served = [*project["dependencies"], *extras["serving"]]
    wanted = {
        "bootstrap": groups["bootstrap"],
        "airflow": groups["airflow"],
        "notebooks": groups["notebooks"],
        "pipeline": of_the_project,
        "serving": served,
        "streamlit": groups["streamlit"],
        "dev": [
            *of_the_project,
            *served,
            *extras["spark"],
            *client["dependencies"],
            *client["optional-dependencies"]["arrow"],
            *groups["bootstrap"],
            *groups["streamlit"],
            *groups["dev"],
        ],
    }
    yield from (Requirement(each) for each in wanted[name] if isinstance(each, str))


@pytest.mark.parametrize("name", [*LOCKS, *APART])
def test_a_lock_is_in_step_with_the_project(name: str) -> None:
    locked = _read_locked(name)
    behind = [
        f"{wanted} (locked: {', '.join(str(pin) for pin, _ in pins) or 'not at all'}); run make lock"
        for wanted in _list_direct(name)
        for pins in [locked.get(canonicalize_name(wanted.name), [])]
        if not pins or any(not wanted.specifier.contains(_parse_version(pin)) for pin, _ in pins)
    ]
    assert behind == []


def _parse_version(pin: Requirement) -> str:
    return str(pin.specifier).removeprefix("==")


def test_every_lock_takes_the_same_versions() -> None:
    everything = _read_locked("dev")
    for name in LOCKS:
        for package, pins in _read_locked(name).items():
            # the markers name who asked for it, and more ask in the larger environment
            assert {_parse_version(pin) for pin, _ in pins} <= {
                _parse_version(pin) for pin, _ in everything[package]
            }
