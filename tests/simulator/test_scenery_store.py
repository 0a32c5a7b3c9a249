"""Grown towns kept in files: the same bytes as grown ones, and never a reason to fail."""

import os
from pathlib import Path

import carla
import numpy as np
import pytest

from simulator.maps import load_town
from simulator.scenery.store import KEPT, Grown, GrownStore, _discard, grow_all
from simulator.types import Town


@pytest.fixture(scope="module")
def town() -> Town:
    return load_town("Town02")


@pytest.fixture(scope="module")
def carla_map(town: Town) -> carla.Map:
    return carla.Map(town.name, town.xodr)


@pytest.fixture(scope="module")
def grown(carla_map: carla.Map, town: Town) -> Grown:
    return grow_all(carla_map, town, 0)


def assert_same(a: Grown, b: Grown) -> None:
    for one, other in zip(a.scenery.layers, b.scenery.layers, strict=True):
        assert (one.near_m, one.far_m) == (other.near_m, other.far_m)
        for name, array in vars(one.mesh).items():
            assert array.dtype == getattr(other.mesh, name).dtype
            assert array.tobytes() == getattr(other.mesh, name).tobytes()
    assert a.scenery.obstacles == b.scenery.obstacles
    assert a.scenery.lamps.tobytes() == b.scenery.lamps.tobytes()
    assert a.navigation == b.navigation
    for x, y in np.random.default_rng(0).uniform(-50.0, 250.0, (50, 2)):
        assert a.ground.height(x, y) == b.ground.height(x, y)
        assert a.ground.pitch_roll(x, y, 0.0, 30.0) == b.ground.pitch_roll(x, y, 0.0, 30.0)


def test_a_kept_town_equals_the_grown_one(tmp_path, carla_map, town, grown, monkeypatch):
    assert_same(GrownStore(tmp_path).grown(carla_map, town, 0), grown)
    monkeypatch.setattr("simulator.scenery.store.grow_all", None)  # must not be needed again
    assert_same(GrownStore(tmp_path).grown(carla_map, town, 0), grown)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"nothing"])
def test_a_broken_file_is_grown_again(tmp_path, carla_map, town, grown, content, monkeypatch):
    monkeypatch.setattr("simulator.scenery.store.grow_all", lambda *_: grown)
    store = GrownStore(tmp_path)
    store.grown(carla_map, town, 0)
    (path,) = tmp_path.iterdir()
    path.write_bytes(content)
    assert_same(store.grown(carla_map, town, 0), grown)
    assert path.stat().st_size > 1_000_000


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path, carla_map, town, grown, monkeypatch):
    monkeypatch.setattr("simulator.scenery.store.grow_all", lambda *_: grown)
    (tmp_path / "file").touch()
    assert GrownStore(tmp_path / "file").grown(carla_map, town, 0) is grown


def test_seeds_and_maps_have_files_of_their_own(tmp_path, carla_map, town, grown, monkeypatch):
    monkeypatch.setattr("simulator.scenery.store.grow_all", lambda *_: grown)
    store = GrownStore(tmp_path)
    store.grown(carla_map, town, 0)
    store.grown(carla_map, town, 1)
    assert len(list(tmp_path.iterdir())) == 2


def test_only_the_files_used_last_are_kept(tmp_path: Path) -> None:
    for n in range(KEPT + 3):
        (tmp_path / f"{n:02d}.npz").touch()
        os.utime(tmp_path / f"{n:02d}.npz", (n, n))
    _discard(tmp_path)
    assert sorted(path.stem for path in tmp_path.iterdir())[0] == "03"
