"""Arms on the embedded server: what each drive sees, and the rows of one command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fusiondrive.types import CameraSpec, Control, Pose
from harness.env_config import EnvConfig
from harness.run import main
from harness.server import ServerSpec
from harness.simulation import Simulation
from results.reading import read_rows
from scenarios.route_files import write_route_xml
from scenarios.spec import EpisodeSpec, RouteSpec
from sensors.elsewhere import ElsewhereRig
from sensors.enhance.contrast import Clahe

SMALL = CameraSpec(width=96, height=72)
RGB = EpisodeSpec("Town02", "00", "fog", "rgb", "none", "expert", seed=3)
MAX = replace(RGB, input="fused", fuser="max", arm="max")
SWAPPED = replace(RGB, input="fused", fuser="max:swapped", arm="max:swapped")
FULL = Control(throttle=0.6)
STEPS = 5


@pytest.fixture
def simulation(carla_server) -> Iterator[Simulation]:
    host, port = carla_server("Town02")
    config = EnvConfig(server=ServerSpec("external", host, port), camera=SMALL)
    with Simulation(config) as made:
        yield made


def infrared(simulation: Simulation, spec: EpisodeSpec) -> list[NDArray[np.uint8]]:
    """The infrared images of the first steps of a drive."""
    drive, seen = simulation.begin(spec), []
    for _ in range(STEPS):
        drive.step(FULL)
        assert drive.views.thermal is not None
        seen.append(drive.views.thermal)
    return seen


def test_swapped_infrared_is_another_routes_and_repeats(simulation: Simulation) -> None:
    own, swapped, again = (infrared(simulation, spec) for spec in (MAX, SWAPPED, SWAPPED))
    assert np.array_equal(swapped, again)
    assert not any(map(np.array_equal, own, swapped))


def test_swapped_infrared_moves_with_the_ego_along_the_next_route(simulation: Simulation) -> None:
    drive = simulation.begin(SWAPPED)
    assert isinstance(drive.rig, ElsewhereRig)
    specs = simulation.routes("Town02")
    simulation.end_drive()
    other = simulation.town("Town02").route(specs[1])
    drive = simulation.begin(SWAPPED)
    for _ in range(STEPS):
        before_m = drive.progress.distance_m
        drive.step(FULL)
    assert isinstance(drive.rig, ElsewhereRig)
    cameras = drive.setup.session.world.get_actors().filter("sensor.camera.depth")
    (camera,) = list(cameras)
    place = camera.get_transform().location
    along = [np.interp(before_m, other.cumulative_m, axis) for axis in other.points.T]
    ahead = np.radians(other.yaws[0])
    assert place.x == pytest.approx(along[0] + SMALL.x * np.cos(ahead), abs=0.05)
    assert place.y == pytest.approx(along[1] + SMALL.x * np.sin(ahead), abs=0.05)
    assert before_m > 0.0


def test_an_enhanced_drive_renders_no_infrared(simulation: Simulation) -> None:
    drive = simulation.begin(replace(RGB, input="enhanced", fuser="clahe", arm="clahe"))
    drive.step(FULL)
    assert drive.views.thermal is None
    assert np.array_equal(drive.observation.image, Clahe().enhance(drive.views.rgb))
    assert not drive.setup.session.world.get_actors().filter("sensor.camera.depth")


def short_routes(simulation: Simulation, folder: Path) -> Path:
    """The first 15 m of two ready-made routes."""
    town, short = simulation.town("Town02"), list[RouteSpec]()
    for spec in town.route_specs(None)[:2]:
        route = town.route(spec)
        x, y, z = (float(value) for value in route.points[15])
        goal = Pose(x, y, z, yaw=float(route.yaws[15]))
        short.append(replace(spec, keypoints=(spec.keypoints[0], goal)))
    write_route_xml(folder / "short.xml", short, {})
    return folder / "short.xml"


def test_one_command_drives_a_list_of_arms(
    carla_server, simulation: Simulation, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = short_routes(simulation, tmp_path)
    simulation.close()
    arms = ["rgb", "gamma", "max", "max:blanked", "max:swapped", "clear"]
    flags = ["--backend", "external", "--port", str(carla_server("Town02")[1]), "--route", "0"]
    flags += ["--route-file", str(file), "--out", str(tmp_path / "run"), "--policy", "expert"]
    assert main([*flags, "--weather", "fog", "--arms", *arms]) == 0
    rows = read_rows(tmp_path / "run" / "rows.jsonl")
    assert [row.arm for row in rows] == arms
    assert {row.outcome for row in rows} == {"success"}
    assert [row.weather for row in rows] == ["fog"] * 5 + ["clear"]
    assert [bool(row.infrared_route) for row in rows] == [row.arm == "max:swapped" for row in rows]
    text = capfd.readouterr().out
    assert "Gains: success, in pairs" in text
    assert "driven: " not in text
    assert (tmp_path / "run" / "gains.csv").read_text(encoding="utf-8").count("\n") == 9
