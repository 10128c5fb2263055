"""The table of what counting costs, and the server that does not count."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from benchmarks.counting import Round, disable_counting, serve
from benchmarks.serving.load import Load
from benchmarks.serving.servers import Place, build_our_server

from documents import ROOT
from services import create_service
from servicio_ml.features.output import Predictions
from servicio_ml.serving.models import bin_counts


def build_rounds(*rates: float, seconds: float) -> list[Round]:
    return [Round(load=Load(rate=rate, p50=0, p99=0, p999=0, maximum=0), seconds=seconds) for rate in rates]


def test_costs_are_medians_of_ratios_of_the_same_round() -> None:
    found = {8: (build_rounds(90, 970, 50, seconds=0.002), build_rounds(100, 1000, 40, seconds=0.0019))}
    assert serve(found).splitlines()[2] == "| 8 | 90 | 100 | +3.0 % | +5.0 % | yes |"


def test_more_than_the_limit_is_reported() -> None:
    found = {1: (build_rounds(94, seconds=0.002), build_rounds(100, seconds=0.002))}
    assert serve(found).endswith("| +6.0 % | +0.0 % | no |")


def test_it_is_our_server_in_all_else(tmp_path: Path) -> None:
    place = Place(models=tmp_path, scratch=tmp_path, port=1)
    mine, idle = build_our_server(1), disable_counting()
    assert idle.command(place) == ["uncounted.py", *mine.command(place)[2:]]
    assert idle.settings(place) == mine.settings(place)
    assert (idle.environment, idle.path, idle.kind) == (mine.environment, mine.path, mine.kind)


def test_its_bin_counts_count_nothing(
    tmp_path: Path, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bin_counts, "BinCountsFolder", bin_counts.BinCountsFolder)
    app = runpy.run_path(str(ROOT / "benchmarks" / "serving" / "apps" / "uncounted.py"))
    assert bin_counts.BinCountsFolder is app["IdleBinCountsFolder"]
    made = create_service(tmp_path, artifact_folder)
    served = made.service.models.get_status("small").champion
    assert served is not None
    idle = bin_counts.BinCountsFolder(tmp_path / "idle")
    opened = idle.open(served.info, served.artifact)
    answer = Predictions(outcomes=np.zeros(1), probabilities=np.array([[1.0, 0.0]]))
    opened.add(np.zeros((1, 8), dtype=np.float32), answer)
    [(_, counts)] = idle.sum_versions()
    assert not counts.any()
