import numpy as np
import pytest

from fusiondrive.types import (
    ActorKind,
    ActorState,
    CameraSpec,
    Command,
    EpisodeContext,
    Observation,
    Pose,
    Route,
    WorldState,
)
from policies.expert import PATH_M, ExpertPolicy
from policies.preprocess import Preprocessing
from policies.training.dataset import CAMERA_YAW, PATH, Episode, driving_views
from policies.training.views import CRASH_CUT, EpisodeRecorder, side_cameras
from scenarios.spec import EpisodeSpec
from scenarios.tracker import RouteTracker

SPEC = EpisodeSpec("Town02", "00", "clear", "rgb", "none", "expert", 1, "empty")
CAMERA = CameraSpec()


def straight_route() -> Route:
    along = np.arange(0.0, 120.0)
    count = len(along)
    return Route(
        route_id="r",
        points=np.stack([along, np.zeros(count), np.zeros(count)], axis=1),
        yaws=np.zeros(count),
        commands=np.full(count, Command.FOLLOW, dtype=np.int8),
        in_junction=np.zeros(count, dtype=bool),
        lane_widths=np.full(count, 4.0),
        cumulative_m=along,
    )


def ego(yaw: float = 0.0) -> ActorState:
    pose = Pose(3.0, 0.0, yaw=yaw)
    box = (2.4, 1.0, 0.8)
    return ActorState(1, "x", ActorKind.VEHICLE, pose, (6.0, 0.0, 0.0), (0.0, 0.0, 0.8), box)


def world(frame: int, time_s: float, yaw: float = 0.0) -> WorldState:
    progress = RouteTracker(straight_route()).advance(3.0, 0.0)
    return WorldState(frame, time_s, ego(yaw), progress=progress)


def expert() -> ExpertPolicy:
    policy = ExpertPolicy()
    policy.reset(EpisodeContext("Town02", straight_route(), 0))
    return policy


def image(level: int) -> np.ndarray:
    return np.full((CAMERA.height, CAMERA.width, 3), level, np.uint8)


VIEW = Observation(image(100), 6.0, Command.FOLLOW, (10.0, 0.0))


def recorded(steps: int, *, sides: bool, crashed: bool = False):
    policy = expert()
    recorder = EpisodeRecorder(policy, Preprocessing())
    for frame in range(steps):
        state = world(1000 + frame, 0.1 * frame)
        control = policy.act(VIEW, state)
        turned = {"side_left": image(10), "side_right": image(200)} if sides else {}
        recorder.add(VIEW, state, control, 0.0, turned)
    return recorder.finish(SPEC, look=1, crashed=crashed)


def test_a_turned_car_steers_back_as_the_expert_would_from_there():
    policy = expert()
    policy.act(VIEW, world(1, 0.0))
    left, right = policy.steer_turned(ego(), -30.0), policy.steer_turned(ego(), 30.0)
    assert left > 0.2
    assert right < -0.2
    there = expert()
    control = there.act(VIEW, world(1, 0.0, yaw=30.0))
    assert right == pytest.approx(control.steer)


def test_the_route_ahead_is_told_in_the_frame_of_each_view():
    table = recorded(1, sides=True)[1].set_index(CAMERA_YAW)
    path_m = table[list(PATH)].to_numpy().reshape(3, -1, 2)
    expected = np.array([(ahead_m, 0.0) for ahead_m in PATH_M])
    np.testing.assert_allclose(path_m[0], expected, atol=1e-5)
    turned = np.deg2rad(30.0)  # to the left, so the street lies to the right
    np.testing.assert_allclose(table.loc[-30.0, PATH[0]], 4.0 * np.cos(turned), rtol=1e-5)
    np.testing.assert_allclose(table.loc[-30.0, PATH[1]], 4.0 * np.sin(turned), rtol=1e-5)
    np.testing.assert_allclose(table.loc[30.0, PATH[1]], -4.0 * np.sin(turned), rtol=1e-5)


def test_each_step_has_three_views_and_the_side_ones_their_own_steering():
    images, table = recorded(4, sides=True)
    assert list(table[CAMERA_YAW][:3]) == [0.0, -30.0, 30.0]
    assert [int(view.mean()) for view in images[:3]] == [100, 10, 200]
    assert table["steer"][1] > 0.0 > table["steer"][2]
    assert list(table["frame"]) == [n for n in range(4) for _ in range(3)]


def test_a_crash_takes_whole_steps_away():
    images, table = recorded(CRASH_CUT + 2, sides=True, crashed=True)
    assert len(images) == len(table) == 2 * 3


def test_validation_looks_at_the_driving_view_alone():
    images, table = recorded(3, sides=True)
    episode = driving_views(Episode(0, [bytes([int(v.mean())]) for v in images], table))
    assert [jpeg[0] for jpeg in episode.jpegs] == [100, 100, 100]
    assert (episode.table[CAMERA_YAW] == 0.0).all()


def test_side_cameras_are_the_driving_camera_turned():
    left, right = side_cameras(CAMERA)
    assert (left.mount.yaw, right.mount.yaw) == (-30.0, 30.0)
    assert dict(left.attributes)["image_size_x"] == str(CAMERA.width)
    assert left.mount.pitch == CAMERA.pitch_deg


def test_without_side_cameras_there_is_one_view():
    images, table = recorded(3, sides=False)
    assert len(images) == len(table) == 3
