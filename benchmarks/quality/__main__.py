"""Model quality, ours beside others.

    python -m benchmarks.quality protocols --data FOLDER [USE_CASE …]   # known results
    python -m benchmarks.quality shipped --data FOLDER [USE_CASE …]     # beside AutoGluon
    python -m benchmarks.quality expected --data FOLDER [USE_CASE …]    # before labels, beside NannyML
    python -m benchmarks.quality tables [TABLE …]                       # drafts of public tables
    python -m benchmarks.quality coverage --data FOLDER [USE_CASE …]    # intervals and sets of labels
    python -m benchmarks.quality power --data FOLDER [USE_CASE …]       # planted losses that alerts find
    python -m benchmarks.quality segments --data FOLDER [USE_CASE …]    # faults of a twentieth of the rows

Each writes its lines into a Markdown file as it has them, and prints it.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.quality import compare_shipped, compare_tables, coverage, protocols
from benchmarks.quality.expected.compare_expected import compare_expected
from benchmarks.quality.power.compare_power import measure_power
from benchmarks.quality.segments.measure_segments import measure_segments

PARTS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "protocols": protocols.measure_protocols,
    "shipped": compare_shipped.compare_shipped,
    "expected": compare_expected,
    "tables": compare_tables.compare_tables,
    "coverage": coverage.measure_coverage,
    "power": measure_power,
    "segments": measure_segments,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("names", nargs="*", help="use cases or tables; all when none is named")
    parser.add_argument("--data", type=Path, help="folder with the original files of the use cases")
    parser.add_argument("--seconds", type=float, default=60, help="time limit of each contender's training")
    parser.add_argument("--output", type=Path, default=Path("quality.md"), help="file to write")
    given = parser.parse_intermixed_args()
    if given.part != "tables" and given.data is None:
        parser.error("--data is needed: the folder with the original files")
    PARTS[given.part](given)


if __name__ == "__main__":
    main()
