"""Pairs of poses: the same pose twice, the oncoming car in both, towns of validation never."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fusiondrive.errors import ConfigError
from fusionproxy.data import Pairs, open_split, read_about, read_index
from fusionproxy.errors import FusionError
from harness.perception import pairs
from harness.perception.__main__ import main
from harness.perception.pairs import PairsOptions
from harness.perception.poses import SHIPPED, read_poses, write_poses

TOWNS = ("random:7", "random:8")
LEVELS = ("fog:40", "night:glare")


@pytest.fixture
def poses(tmp_path: Path) -> Path:
    """A few poses of the shipped set, said to be of other towns."""
    found = read_poses(None)
    glaring = [pose for pose in found.poses if pose.oncoming is not None and pose.actors]
    chosen = [replace(pose, town=town) for town in TOWNS for pose in glaring[:5]]
    maps = dict.fromkeys(TOWNS, found.facts.maps[glaring[0].town])
    path = tmp_path / "poses.parquet"
    write_poses(chosen, replace(found.facts, maps=maps), path)
    return path


def test_thermal_settings_take_turns_and_every_pose_is_in_every_level() -> None:
    of_town = list(read_poses(None).poses[:10])
    for level in LEVELS:
        turns = [pairs._Series(level, "driving", turn).poses(of_town, 3) for turn in range(3)]
        assert sorted(pose.key for turn in turns for pose in turn) == [p.key for p in of_town]
        assert {len(turn) for turn in turns} <= {3, 4}
    first = [pairs._Series(level, "driving", 0).poses(of_town, 3)[0].key for level in LEVELS]
    assert len(set(first)) == 1 + ((6 - 2) % 3 != 0)  # levels are not in step


def test_poses_of_some_towns_are_taken_and_counted_among_themselves(poses: Path) -> None:
    found = read_poses(poses)
    assert set(found.by_town()) == set(TOWNS)
    assert set(found.of_towns(TOWNS[1:]).by_town(2)) == set(TOWNS[1:])
    assert found.of_towns(TOWNS[1:]).digest == found.digest


def test_towns_of_validation_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["pairs", "--poses", str(SHIPPED), "--out", str(tmp_path / "out")]) == 2
    assert "are towns of validation, by whose poses students are judged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--level", "mist"], "mist"),
        (["--level", "route"], "route"),
        (["--thermal", "latency=3"], "'latency' is of pictures that follow each other"),
        (["--camera", "roof"], "roof"),
        (["--count", "0"], "count"),
        (["--town", "random:9"], "no poses in random:9; the pose set has random:7, random:8"),
    ],
)
def test_bad_input_is_one_line(
    flags: list[str], message: str, poses: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pairs", "--poses", str(poses), "--out", str(tmp_path / "out"), *flags]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.server
def test_a_set_is_drawn_and_the_same_command_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = read_poses(None)
    town = next(iter(found.by_town()))
    chosen = [pose for pose in found.by_town()[town] if pose.oncoming is not None][:6]
    path, out = tmp_path / "poses.parquet", tmp_path / "out"
    write_poses(chosen, found.facts, path)
    monkeypatch.setattr(pairs, "_check_towns", lambda options, found: None)  # of another town
    options = PairsOptions(
        poses=path, out=out, level=LEVELS, thermal=("fog_ratio=0.1", "fog_ratio=1")
    )
    said = pairs.run(options, [])
    assert "12 pairs of 1 towns" in said
    shards = read_index(out)
    assert {shard.weather for shard in shards} == set(LEVELS)
    assert sum(shard.count for shard in shards) == 12
    by_weather: dict[str, list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]] = {}
    for shard in shards:
        data = Pairs(out, [shard])
        for n in range(len(data)):
            degraded, thermal, clear = data.sample(n)
            assert degraded.shape == clear.shape == (300, 400, 3)
            assert thermal.shape == (300, 400)
            assert np.abs(degraded.astype(int) - clear).mean() > 10.0
            by_weather.setdefault(shard.weather, []).append(clear)
    day, with_car = (np.stack(by_weather[level]).astype(int) for level in LEVELS)
    assert len(day) == len(with_car) == 6
    assert (np.abs(np.sort(day.sum((1, 2, 3))) - np.sort(with_car.sum((1, 2, 3)))) > 0).any()
    before = {file: file.stat().st_mtime_ns for file in out.glob("*.npy")}
    assert pairs.run(options, []) == said
    assert {file: file.stat().st_mtime_ns for file in out.glob("*.npy")} == before
    assert not (out / ".parts").exists()
    assert str(tmp_path) not in str(read_about(out))
    other = replace(options, thermal=("fog_ratio=0.5",))
    with pytest.raises(ConfigError, match="pairs of other settings"):
        pairs.run(other, [])
    with pytest.raises(FusionError, match="one sequence only"):  # students hold whole towns out
        open_split(out)
