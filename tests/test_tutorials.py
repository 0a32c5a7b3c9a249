"""The scripts of the tutorials run as a reader runs them: copied into an empty folder."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

import results
from results.hazards import read_hazards
from tests.conftest import CarlaServer

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "examples" / "tutorials").glob("*.py"))
LIMIT_S = 580

Driven = Callable[..., Path]


def run_script(name: str, folder: Path, *words: str, limit_s: float = LIMIT_S) -> str:
    """What a tutorial's script prints; the test fails where it does not end well."""
    script = shutil.copy(ROOT / "examples" / "tutorials" / f"{name}.py", folder)
    done = subprocess.run(
        [sys.executable, Path(script).name, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def drive(carla_server: CarlaServer, tmp_path: Path) -> Driven:
    """Runs a script against a server that runs already; gives the folder of its rows."""

    def run(name: str, *words: str, town: str = "Town02") -> Path:
        _, port = carla_server(town)
        there = ("--backend", "external", "--port", str(port))
        (tmp_path / "printed.txt").write_text(
            run_script(name, tmp_path, "--out", "rows", *there, *words), encoding="utf-8"
        )
        return tmp_path / "rows"

    return run


@pytest.mark.slow
def test_first_policy_beats_driving_straight_on(drive: Driven) -> None:
    rows = results.load(drive("first_policy", "--routes", "1"))
    completion = dict(zip(rows["policy"], map(float, rows["completion"]), strict=True))
    assert completion["first_policy:Pursuit"] > completion["constant"]


@pytest.mark.slow
def test_compare_arms_explains_its_rows(drive: Driven, tmp_path: Path) -> None:
    rows = results.load(drive("compare_arms", "--routes", "1", town="Town03"))
    assert rows["arm"].tolist() == ["rgb", "dehaze"]
    printed = (tmp_path / "printed.txt").read_text(encoding="utf-8")
    assert "exact McNemar: " in printed
    assert "detectable: nothing; too few routes (1)" in printed


@pytest.mark.slow
def test_first_fuser_drives_a_rule_and_a_network(drive: Driven) -> None:
    pytest.importorskip("onnx")
    rows = results.load(drive("first_fuser", "--routes", "1"))
    assert rows["arm"].tolist() == ["rgb", "first_fuser:Glow", "student"]
    assert rows["fuser_label"].tolist()[2] == "student (blend)"
    assert rows["fuser_weights"].nunique() == 3


@pytest.mark.slow
def test_first_weather_is_drawn_and_driven(drive: Driven, tmp_path: Path) -> None:
    (row,) = results.load(drive("first_weather")).to_dict("records")
    assert (row["weather"], round(row["range_m"])) == ("dusk_fog", 80)
    sheet = cv2.imread(str(tmp_path / "dusk_fog.jpg"))
    assert sheet is not None
    assert sheet.shape == (2 * 180, 3 * 320, 3)


@pytest.mark.slow
def test_first_suite_drives_its_cells_and_then_only_the_arm_that_is_new(
    drive: Driven, tmp_path: Path
) -> None:
    out = drive("first_suite", "--routes", "1", town="Town03")
    rows = results.load(out)
    cells = rows.groupby("weather", sort=False)["arm"].apply(list).to_dict()
    fog = ["rgb", "dehaze", "clahe"]
    assert cells == {"clear": ["rgb", "clahe"], "fog:100": fog, "fog:40": fog}
    printed = (tmp_path / "printed.txt").read_text(encoding="utf-8")
    assert printed.startswith("### Plan of rows")
    assert "5 drives, 0 of them in rows already" in printed
    assert "8 drives, 5 of them in rows already" in printed


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.timeout(3600)
def test_cluster_has_the_same_rows_of_every_engine(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    pytest.importorskip("submitit")
    words = ("--routes", "1", "--workers", "2", "--out", "rows")
    printed = run_script("cluster", tmp_path, *words, limit_s=3000)
    assert printed.count(": 2 rows, wall clock aside the same bytes in the same order") == 3


@pytest.mark.slow
def test_fusion_pairs_end_in_a_table(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    printed = run_script("fusion_pairs", tmp_path, "--steps", "4")
    assert "| mine" in printed
    assert len(list((tmp_path / "fused").glob("*.png"))) == 10


@pytest.mark.slow
def test_first_criterion_is_a_column(drive: Driven) -> None:
    (row,) = results.load(drive("first_criterion", "--routes", "1")).to_dict("records")
    assert "own_harsh_braking" in row
    assert row["criteria"].startswith("harsh_braking ")


@pytest.mark.slow
def test_first_hazard_is_met(drive: Driven) -> None:
    out = drive("first_hazard", "--routes", "1")
    met = [hazard for hazard in read_hazards(out / "hazards.jsonl") if hazard.record.is_met]
    assert met
    assert {hazard.record.kind for hazard in met} == {"first_hazard:StandingPerson"}


@pytest.mark.slow
def test_a_server_that_runs_already_is_checked_and_driven_on(
    carla_server: CarlaServer, tmp_path: Path
) -> None:
    _, port = carla_server("Town02")
    run_script("real_server", tmp_path, "--port", str(port), "--out", "rows")
    (row,) = results.load(tmp_path / "rows").to_dict("records")
    assert (row["backend"], row["outcome"]) == ("embedded", "success")


def test_every_script_has_a_test() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    for script in SCRIPTS:
        assert f'"{script.stem}"' in tests, f"no test runs {script.name}"
        assert importlib.util.spec_from_file_location(script.stem, script) is not None


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_takes_no_shortened_flag_for_one_of_its_own(script: Path) -> None:
    """`--route 13` is a flag of `harness.run`, and no `--routes 13`."""
    makers = [
        node
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "argparse.ArgumentParser"
    ]
    assert makers
    for maker in makers:
        assert "allow_abbrev=False" in ast.unparse(maker)
