"""The environment as gymnasium's users meet it: settings, seeds, actions, copies, vectors."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env

from fusiondrive.errors import ConfigError, MapError
from fusiondrive.types import CameraSpec, Control, Pose, SensorSpec
from harness import ENV_ID, register
from harness.actions import control_of
from harness.config import Timeouts
from harness.criteria import EventKind
from harness.env import CarlaDrivingEnv, EnvConfig
from harness.env_config import read_options
from harness.server import RunningServer, Server, ServerSpec, make_server
from policies import make_policy
from scenarios.spec import EpisodeSpec
from sensors.fusion import make_fuser, shipped_student

SMALL = {"width": 64, "height": 48}
IDLE = np.zeros(3, np.float32)
SPEC = EpisodeSpec("Town02", "00", "clear", "rgb", "none", "none", seed=3)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with RunningServer(ServerSpec(town="Town02")) as running:
        yield running


@pytest.fixture(scope="module")
def env(server: Server) -> Iterator[CarlaDrivingEnv]:
    here = {"backend": "external", "host": server.host, "port": server.port}
    made = gymnasium.make(ENV_ID, server=here, camera=SMALL, render_mode="rgb_array")
    assert isinstance(made.unwrapped, CarlaDrivingEnv)
    yield made.unwrapped
    made.close()


def fresh(script: str) -> str:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_gymnasium_imports_the_module_that_a_name_begins_with() -> None:
    script = f"import gymnasium; print(gymnasium.make('harness:{ENV_ID}').spec.id)"
    assert fresh(script).strip() == ENV_ID


def test_importing_harness_loads_neither_client_nor_renderer() -> None:
    heavy = "{'carla', 'cv2', 'numba', 'pandas', 'openvino', 'harness.env'}"
    assert fresh(f"import sys, harness; print({heavy} & set(sys.modules))").strip() == "set()"


def test_registering_twice_is_no_fault() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register()


@pytest.mark.server
def test_check_env_has_nothing_to_say() -> None:
    """Each environment on a server of its own, as by default: `check_env` makes a second one.

    On a shared server the second one's route, which it draws unseeded, may begin below the first
    one's ego.
    """
    made = gymnasium.make(ENV_ID, camera=SMALL, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(made.unwrapped)
    made.close()


@pytest.mark.server
def test_check_env_has_nothing_to_say_of_one_without_a_camera() -> None:
    made = gymnasium.make(ENV_ID, camera=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(made.unwrapped)
    made.close()


def test_an_environment_made_of_another_ones_spec_may_be_closed_twice(env: CarlaDrivingEnv) -> None:
    """What `check_env` does, but on routes apart: one it draws may begin where this ego stands."""
    env.reset(options={"route": "00"})
    assert env.spec is not None
    other = env.spec.make()
    other.reset(options={"route": "05"})
    other.close()
    other.close()


# Settings


def test_texts_are_paths_and_dicts_are_settings(tmp_path: Path) -> None:
    given = EnvConfig(
        server={"backend": "external", "port": 2000, "maps": str(tmp_path)},  # type: ignore[arg-type]
        camera={"width": 200, "height": 88},  # type: ignore[arg-type]
        sensors=[{"sensor_id": "s", "kind": "sensor.speedometer", "mount": {"x": 1, "y": 2}}],  # type: ignore[arg-type]
        reward={"costs": {"collision": 7}},  # type: ignore[arg-type]
        timeouts={"tick_s": 3},  # type: ignore[arg-type]
        fuser_weights=str(shipped_student("oracle")),  # type: ignore[arg-type]
    )
    assert given.server == ServerSpec("external", port=2000, maps=tmp_path)
    assert given.camera == CameraSpec(width=200, height=88)
    assert given.sensors == (SensorSpec("s", "sensor.speedometer", Pose(1.0, 2.0)),)
    assert given.reward.costs == {EventKind.COLLISION: 7.0}
    assert given.timeouts == Timeouts(tick_s=3.0)
    assert given.fuser_weights == shipped_student("oracle")


def test_paths_of_the_parts_may_be_texts(tmp_path: Path) -> None:
    weights = shipped_student("oracle")
    assert (
        make_fuser("student", str(weights)).weights_hash() == make_fuser("student").weights_hash()
    )
    spec = ServerSpec(log_file=str(tmp_path / "x.log"), maps=str(tmp_path))  # type: ignore[arg-type]
    assert (spec.log_file, spec.maps) == (tmp_path / "x.log", tmp_path)
    assert make_server(spec)
    cilrs = Path(__file__).parents[2] / "policies/weights/cilrs_v8.onnx"
    assert make_policy("cilrs", str(cilrs)).weights_hash() == make_policy("cilrs").weights_hash()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"map": "Town02"}, "unknown environment setting 'map'; known: .*town"),
        ({"camera": {"widht": 84}}, r"setting 'camera\.widht'; known: .*width"),
        ({"camera": {"width": "many"}}, r"setting 'camera\.width': .*integer.*found 'many'"),
        ({"camera": {"width": 0}}, "expected 1 x 1 pixels or more.*found 0 x 300"),
        ({"camera": None, "arm": "rgb"}, "arm 'rgb' needs a camera: leave it or camera=None out"),
        ({"camera": None, "input": "thermal"}, "input 'thermal' needs a camera"),
        ({"camera": None, "fuser": "oracle"}, "fuser 'oracle' needs a camera"),
        ({"camera": None, "render_mode": "rgb_array"}, 'render_mode="rgb_array" needs a camera'),
        ({"server": {"bakend": "embedded"}}, r"setting 'server\.bakend'; known: backend"),
        ({"server": {"backend": "unreal"}}, "unknown backend 'unreal'; known: docker, embedded"),
        ({"reward": {"costs": {"colision": 3}}}, r"'reward\.costs\.colision': .*'collision'"),
        ({"timeouts": {"tick": 3}}, r"setting 'timeouts\.tick'; known: .*tick_s"),
        ({"sensors": [{"sensor": "s"}]}, r"'sensors\.0\.sensor'; known: attributes, kind"),
        ({"weather": "foggy"}, "unknown weather 'foggy'; known: .*fog"),
        ({"traffic": "much"}, "unknown traffic 'much'"),
        ({"town": 3}, "setting 'town': .*string; found 3"),
        ({"fuser_weights": "absent.onnx"}, "fuser weights absent.onnx: no such file"),
        ({"config": 3}, "config: expected an EnvConfig or a mapping of its keys, found int"),
        ({"config": {"twon": "Town02"}}, "unknown environment setting 'twon'"),
    ],
)
def test_a_bad_setting_is_named_before_a_server_starts(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        CarlaDrivingEnv(**settings)


def test_a_route_file_and_a_render_mode_are_checked_at_once() -> None:
    with pytest.raises(MapError, match=r"route file absent\.xml"):
        CarlaDrivingEnv(route_file="absent.xml")
    with pytest.raises(ConfigError, match="unknown render mode 'ansi'; known: human, rgb_array"):
        CarlaDrivingEnv(render_mode="ansi")


def test_changes_hold_over_a_configuration() -> None:
    made = CarlaDrivingEnv(EnvConfig(town="Town03", weather="fog"), weather="night")
    assert (made.config.town, made.config.weather) == ("Town03", "night")
    assert CarlaDrivingEnv({"town": "Town03"}).config.town == "Town03"


# Resets


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rout": "03"}, "unknown reset option 'rout'; known: .*route.*weather"),
        ({"weather": "foggy"}, "unknown weather 'foggy'"),
        ({"town": "Town12"}, "unknown town 'Town12'; known: .*Town02.*random:SEED"),
        ({"route": True}, "expected an id such as '03', found True"),
        ({"spec": "00"}, "expected an EpisodeSpec or a mapping of its fields, found str"),
        ({"spec": {"town": "Town02"}}, "'spec': lacks fuser, input"),
        ({"spec": SPEC, "route": "03"}, "leave route out"),
        (["route"], "reset options: expected a mapping, found list"),
    ],
)
def test_a_bad_reset_option_is_named(options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_options(options, EnvConfig())


def test_a_spec_may_be_a_mapping_and_what_is_none_is_not_given() -> None:
    assert read_options({"spec": vars(SPEC)}, EnvConfig()).spec == SPEC
    assert read_options({"spec": None, "route": None}, EnvConfig()) == read_options({}, EnvConfig())


def test_options_choose_one_episode(env: CarlaDrivingEnv) -> None:
    _, info = env.reset(seed=1, options={"route": 3, "weather": "fog"})
    assert info["route"] == "03"
    assert env.drive.spec.weather == "fog"
    env.reset(seed=1)
    assert env.drive.spec.weather == "clear"
    with pytest.raises(ConfigError, match="unknown route '99'; known: 00, 01"):
        env.reset(options={"route": "99"})
    with pytest.raises(ResetNeeded):
        env.step(IDLE)


def test_resets_without_a_seed_draw_one_and_repeat_after_a_seed(env: CarlaDrivingEnv) -> None:
    def episodes() -> list[tuple[str, int]]:
        infos = [env.reset(seed=7)[1], env.reset()[1], env.reset()[1]]
        return [(info["route"], info["seed"]) for info in infos]

    first = episodes()
    assert first[0][1] == 7
    assert len({seed for _, seed in first}) == 3
    assert episodes() == first


# Steps


def test_without_a_camera_there_is_no_image_and_the_car_moves_as_with_one(
    env: CarlaDrivingEnv, server: Server
) -> None:
    here = {"backend": "external", "host": server.host, "port": server.port}
    blind = CarlaDrivingEnv(server=here, camera=None)
    spec = replace(SPEC, traffic="0+5")
    drives = []
    for made in (env, blind):
        seen, _ = made.reset(options={"spec": spec})
        cameras = made.simulation.session.world.get_actors().filter("sensor.camera.*")
        assert [("image" in seen), len(cameras)] == [made is env] * 2
        assert made.observation_space.contains(seen)
        states = [made.state]
        for number in range(20):
            made.step([0.8, 0.02 * number, 0.0])
            states.append(made.state)
        # The client's order of actors hangs on their numbers.
        drives.append([(s.ego.pose, {walker.pose for walker in s.walkers}) for s in states])
        made.close()
    assert drives[0][0] != drives[0][-1]
    assert drives[0] == drives[1]


def test_a_drive_without_a_camera_refuses_an_episode_that_needs_one() -> None:
    made = CarlaDrivingEnv(camera=None)
    with pytest.raises(ConfigError, match="input 'thermal' needs a camera"):
        made.reset(options={"spec": replace(SPEC, input="thermal")})


@pytest.mark.parametrize(
    "action",
    [
        [0.5, 0.0, 0.1],
        (0.5, 0, 0.1),
        np.array([0.5, 0.0, 0.1]),
        np.array([0.5, -0.0, 0.1], np.float32),
    ],
)
def test_numbers_of_any_type_are_an_action(action: Any) -> None:
    control = control_of(action)
    assert (control.throttle, control.steer, control.brake) == pytest.approx((0.5, 0.0, 0.1))


def test_values_beyond_the_range_are_clipped() -> None:
    assert control_of([2.0, -3.0, -1.0]) == Control(1.0, -1.0, 0.0)


@pytest.mark.parametrize(
    ("action", "found"),
    [
        ([np.nan, 0, 0], r"found \[nan, 0\.0, 0\.0\]"),
        ([0, np.inf, 0], r"found \[0\.0, inf, 0\.0\]"),
        (0.7, r"found shape \(\)"),
        ([0.7], r"found shape \(1,\)"),
        ([0.5, 0, 0, 1], r"found shape \(4,\)"),
        ([[0.5, 0, 0]], r"found shape \(1, 3\)"),
        ([[0.5], 0, 0], r"found \[\[0\.5\], 0, 0\]"),
        (["0.5", "0", "0"], "of type <U"),
        ([0.5, None, 0], "of type object"),
        ([1j, 0, 0], "of type complex"),
        (None, "found None"),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(action: Any, found: str) -> None:
    with pytest.raises(InvalidAction, match=rf"expected 3 finite numbers.*{found}"):
        control_of(action)


def test_a_refused_action_leaves_the_episode_as_it_was(env: CarlaDrivingEnv) -> None:
    env.reset(seed=1)
    before = env.state
    with pytest.raises(InvalidAction):
        env.step(np.array([np.nan, 0.0, 0.0]))
    assert (env.state, env.drive.steps) == (before, 0)
    assert len(env.step([0.5, 0.0, 0.0])) == 5


def test_order_is_enforced_with_gymnasiums_own_error() -> None:
    made = CarlaDrivingEnv(render_mode="rgb_array")
    with pytest.raises(ResetNeeded, match="no episode has begun"):
        made.step(IDLE)
    with pytest.raises(ResetNeeded, match="no episode has begun"):
        made.render()


def test_a_step_after_the_end_asks_for_a_reset(env: CarlaDrivingEnv) -> None:
    env.reset(options={"spec": SPEC})
    is_over = False
    while not is_over:
        *_, terminated, truncated, _ = env.step([0.7, 1.0, 0.0])
        is_over = terminated or truncated
    with pytest.raises(ResetNeeded, match=r"the episode is over: call reset\(\)"):
        env.step(IDLE)


def test_a_picture_that_is_drawn_on_is_not_the_observation(env: CarlaDrivingEnv) -> None:
    observation, _ = env.reset(seed=1)
    picture = env.render()
    assert picture is not None
    assert np.array_equal(picture, observation["image"])
    assert not np.shares_memory(picture, observation["image"])


def test_human_mode_shows_each_step_in_a_window(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    pygame = pytest.importorskip("pygame", reason="pygame is in the extra `window`")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    here = {"backend": "external", "host": server.host, "port": server.port}
    made = gymnasium.make(ENV_ID, server=here, camera=SMALL, render_mode="human")
    made.reset(options={"route": "07"})
    pictures = []
    for _ in range(2):
        pictures.append(pygame.surfarray.array3d(pygame.display.get_surface()))
        made.step(np.array([1.0, 0.0, 0.0], np.float32))
    assert pictures[0].shape == (800, 352, 3)  # the policy's image and the map, above captions
    assert not np.array_equal(pictures[0], pictures[1])
    assert made.render() is None
    twin = pickle.loads(pickle.dumps(made.unwrapped))
    twin.close()
    made.close()
    assert not pygame.display.get_init()


# Life


def test_copies_have_settings_and_generator_but_no_episode(env: CarlaDrivingEnv) -> None:
    env.reset(seed=5)
    for twin in (pickle.loads(pickle.dumps(env)), copy.deepcopy(env)):
        assert twin.config == env.config
        assert twin.np_random.integers(1000) == copy.deepcopy(env.np_random).integers(1000)
        with pytest.raises(ResetNeeded):
            twin.step(IDLE)
        twin.close()
    env.step(IDLE)


def test_closing_twice_and_resetting_afterwards_works(env: CarlaDrivingEnv) -> None:
    env.close()
    env.close()
    assert env.observation_space.contains(env.reset(seed=1)[0])


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_two_environments_as_one_draw_different_episodes(mode: str) -> None:
    both = gymnasium.make_vec(ENV_ID, num_envs=2, vectorization_mode=mode, camera=SMALL)
    try:
        _, info = both.reset()
        assert info["seed"][0] != info["seed"][1]
        observation, *_ = both.step(both.action_space.sample())
        assert observation["image"].shape == (2, 48, 64, 3)
        seen = [both.reset(seed=3, options={"weather": "fog"}) for _ in range(2)]
        assert [list(info["seed"]) for _, info in seen] == [[3, 4], [3, 4]]
        assert list(seen[0][1]["route"]) == list(seen[1][1]["route"])
        assert np.array_equal(seen[0][0]["image"], seen[1][0]["image"])
    finally:
        both.close()
