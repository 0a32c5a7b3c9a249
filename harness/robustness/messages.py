"""Seeded messages for the fuzz: calls of CARLA's protocol with good, spoilt and absurd arguments.

Shapes of arguments are those of CARLA 0.9.16, `carla/rpc/*.h` and `carla/client/detail/Client.cpp`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgpack

Shape = str | list["Shape"]

_POSE: Shape = ["V", "V"]
_CONTROL: Shape = ["f", "f", "f", "b", "b", "b", "n"]
_WALK: Shape = ["V", "f", "b"]
_ACKERMANN: Shape = ["f", "f", "f", "f", "f"]
_GAINS: Shape = ["f", "f", "f", "f", "f", "f"]
_WEATHER: Shape = [*_GAINS, *_GAINS, "f", "f"]
_SETTINGS: Shape = ["b", "b", ["b", "f"], "b", "f", "n", "f", "b", "f", "f", "b"]
_DESCRIPTION: Shape = ["n", "kind", "attributes"]
_LIGHT: Shape = ["id", "V", "f", "n", ["n", "n", "n"], "b"]
_LABELLED: Shape = ["V", "V", "f"]

CALLS: dict[str, Sequence[Shape]] = {
    "version": [], "get_episode_info": [], "get_sensor_token": ["id"], "get_available_maps": [],
    "get_map_info": [], "get_map_data": [], "get_navigation_mesh": [], "get_required_files": ["s"],
    "request_file": ["s"], "load_new_episode": ["town", "b", "n"], "load_map_layer": ["n"],
    "unload_map_layer": ["n"], "get_episode_settings": [], "set_episode_settings": [_SETTINGS],
    "tick_cue": [], "get_weather_parameters": [], "set_weather_parameters": [_WEATHER],
    "copy_opendrive_to_file": ["s", ["f", "f", "f", "f", "b", "b", "b"]],
    "get_imui_gravity": [], "set_imui_gravity": ["f"], "get_actor_definitions": [],
    "get_spectator": [], "get_all_level_BBs": ["n"], "get_environment_objects": ["n"],
    "enable_environment_objects": [["id", "id"], "b"], "get_names_of_all_objects": [],
    "project_point": _LABELLED, "cast_ray": ["V", "V"], "clear_debug_shape": [],
    "draw_debug_shape": [[["n", ["V", "f"]], ["n", "n", "n"], "f", "b"]],
    "apply_color_texture_to_objects": [["s"], "n", ["n", "n", [["n", "n", "n"]]]],
    "get_actors_by_id": [["id", "id", "id"]], "spawn_actor": [_DESCRIPTION, _POSE],
    "spawn_actor_with_parent": [_DESCRIPTION, _POSE, "id", "n", "s"], "destroy_actor": ["own"],
    "get_actor_bounding_box": ["id"], "set_actor_location": ["id", "V"],
    "set_actor_transform": ["id", _POSE], "set_actor_target_velocity": ["id", "V"],
    "set_actor_target_angular_velocity": ["id", "V"], "add_actor_impulse": ["id", "V"],
    "enable_actor_constant_velocity": ["id", "V"], "disable_actor_constant_velocity": ["id"],
    "add_actor_force": ["id", "V"], "add_actor_angular_impulse": ["id", "V"],
    "add_actor_torque": ["id", "V"], "add_actor_impulse_at_location": ["id", "V", "V"],
    "add_actor_force_at_location": ["id", "V", "V"], "set_actor_simulate_physics": ["id", "b"],
    "set_actor_collisions": ["id", "b"], "set_actor_enable_gravity": ["id", "b"],
    "set_actor_dead": ["own"], "get_actor_component_names": ["id"], "get_actor_bone_names": ["id"],
    "get_actor_socket_names": ["id"], "get_actor_component_world_transform": ["id", "s"],
    "get_actor_component_relative_transform": ["id", "s"],
    "get_actor_bone_world_transforms": ["id"], "get_actor_socket_world_transforms": ["id"],
    "apply_control_to_vehicle": ["id", _CONTROL],
    "apply_ackermann_control_to_vehicle": ["id", _ACKERMANN],
    "get_ackermann_controller_settings": ["id"],
    "apply_ackermann_controller_settings": ["id", _GAINS], "get_physics_control": ["id"],
    "apply_physics_control": ["id", "physics"], "get_vehicle_light_state": ["id"],
    "set_vehicle_light_state": ["id", ["n"]], "get_vehicle_light_states": [],
    "get_telemetry_data": ["id"], "open_vehicle_door": ["id", "n"],
    "close_vehicle_door": ["id", "n"], "set_wheel_steer_direction": ["id", "n", "f"],
    "get_wheel_steer_angle": ["id", "n"], "set_wheel_pitch_angle": ["id", "n", "f"],
    "get_wheel_pitch_angle": ["id", "n"], "set_actor_autopilot": ["id", "b"],
    "show_vehicle_debug_telemetry": ["id", "b"], "enable_chrono_physics": ["id", "n", "f", "s"],
    "restore_physx_physics": ["id"], "apply_control_to_walker": ["id", _WALK],
    "get_bones_transform": ["id"], "set_bones_transform": ["id", [["s", _POSE]]],
    "blend_pose": ["id", "f"], "get_pose_from_animation": ["id"],
    "set_traffic_light_state": ["id", "n"], "set_traffic_light_green_time": ["id", "f"],
    "set_traffic_light_yellow_time": ["id", "f"], "set_traffic_light_red_time": ["id", "f"],
    "freeze_traffic_light": ["id", "b"], "freeze_all_traffic_lights": ["b"],
    "reset_traffic_light_group": ["id"], "reset_all_traffic_lights": [],
    "get_group_traffic_lights": ["id"], "get_light_boxes": ["id"], "query_lights_state": ["s"],
    "update_lights_state": ["s", [_LIGHT], "b"], "update_day_night_cycle": ["s", "b"],
    "is_traffic_manager_running": ["n"], "get_traffic_manager_running": ["n"],
    "add_traffic_manager_running": [["s", "n"]], "destroy_traffic_manager": ["n"],
    "enable_sensor_for_ros": ["id"], "is_sensor_enabled_for_ros": ["id"],
    "get_gbuffer_token": ["id", "n"], "set_ignored_vehicles": ["id", ["id"]], "send": ["id", "s"],
    "start_recorder": ["s", "b"], "stop_recorder": [], "show_recorder_file_info": ["s", "b"],
    "replay_file": ["s", "f", "f", "id", "b", _POSE], "stop_replayer": ["b"],
    "apply_batch": ["commands", "b"], "console_command": ["s"], "fusiondrive_profile": [],
}  # fmt: skip

# Command of a batch -> its fields, `carla/rpc/Command.h`.
_COMMANDS: tuple[list[Shape], ...] = (
    [_DESCRIPTION, _POSE, ["b", "id"], "n", "s", []], ["own"], ["id", _CONTROL],
    ["id", _ACKERMANN], ["id", _WALK], ["id", "physics"], ["id", _POSE], ["id", _POSE, "f"],
    ["id", "V"], ["id", "V"], ["id", "V"], ["id", "V"], ["id", "V"], ["id", "V"], ["id", "b"],
    ["id", "b"], ["id", "b", "n"], ["id", "b"], ["id", "n"], ["id", "V"], ["s"], ["id", "n"],
)  # fmt: skip

_KINDS = (
    "vehicle.tesla.model3", "vehicle.bh.crossbike", "vehicle.carlamotors.firetruck",
    "walker.pedestrian.0001", "static.prop.barrel", "sensor.camera.rgb", "sensor.camera.depth",
    "sensor.lidar.ray_cast", "sensor.other.radar", "sensor.other.gnss", "sensor.other.imu",
    "sensor.other.collision", "sensor.other.obstacle", "sensor.other.lane_invasion",
    "controller.ai.walker", "vehicle.no.such", "spectator",
)  # fmt: skip
_ATTRIBUTES = ("color", "image_size_x", "fov", "sensor_tick", "role_name", "range", "channels")
_FLOATS = (0.0, -0.0, 1.0, -1.0, 0.05, 1e-300, 1e9, -1e30, 1e38, 1e308, float("inf"), float("nan"))
_INTS = (0, 1, -1, 7, 255, 65535, 2**31 - 1, -(2**31), 2**32 - 1, 2**32, 2**63 - 1, 2**64 - 1)
_WORDS = ("x", "Nowhere", "%s%n", "../../etc/passwd", "\n2026 ERROR", "\udcff", "a" * 500, "ü")
_HEADERS = (0xDB, 0xC6, 0xDD, 0xDF, 0xC9)  # str32, bin32, array32, map32, ext32


# These make parts of a town anew, which takes about a second.
SLOW_CALLS = frozenset(
    ("load_map_layer", "unload_map_layer", "update_lights_state", "update_day_night_cycle")
)
SLOW_SHARE = 0.02


class Messages:
    """Draws messages; `own` are ids of actors that may be destroyed, `known` of others."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.own: list[int] = []
        self.known = list(range(1, 20))  # the spectator, lights and signs

    def call(self, number: int) -> tuple[str, bytes]:
        """A complete request, and its method."""
        rng = self.rng
        method = rng.choice(list(CALLS))
        while method in SLOW_CALLS and rng.random() > SLOW_SHARE:
            method = rng.choice(list(CALLS))
        args = [self._fill(shape) for shape in CALLS[method]]
        for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
            args = self._spoil(args) if args else [self._junk(0)]
        if rng.random() < 0.05:
            args = [self._junk(0) for _ in range(rng.randrange(5))]
        is_asynchronous = rng.random() < 0.3
        return method, self._request(number, method, [[is_asynchronous], *args])

    def unknown(self, number: int) -> bytes:
        """A request of a method that nobody has."""
        name = f"{self.rng.choice(_WORDS)}{self.rng.randrange(100)}"
        return self._request(number, name, [[False], self._junk(0)])

    def truncated(self) -> bytes:
        """The beginning of a request."""
        _, whole = self.call(1)
        return whole[: self.rng.randrange(1, len(whole))]

    def garbage(self) -> bytes:
        """Anything."""
        return self.rng.randbytes(self.rng.choice((1, 4, 40, 400, 4000, 100_000)))

    def huge(self) -> bytes:
        """A request that promises far more than it holds, also several levels deep."""
        rng = self.rng
        begin = msgpack.packb([0, 1, "set_actor_location", []])[:-1]
        header = bytes([rng.choice(_HEADERS)]) + rng.choice((b"\xff" * 4, b"\x03\xff\xff\xff"))
        return bytes(begin + header * rng.choice((1, 3, 200)) + bytes(rng.randrange(2000)))

    def foreign(self) -> bytes:
        """Valid msgpack that is no request."""
        rng = self.rng
        bad = ([0, 1, "tick_cue"], [1, 2, None, None], [2, "tick_cue", []], {"a": 1}, 5, "hello")
        odd = ([0, "one", "tick_cue", []], [0, 1, 5, []], [0, 1, "tick_cue", {}], [0] * 4)
        return bytes(msgpack.packb(rng.choice((*bad, *odd))))

    def greeting(self) -> bytes:
        """What a subscriber with a wrong token sends."""
        return self.rng.randbytes(self.rng.choice((1, 3, 4, 4, 4, 400)))

    def _request(self, number: int, method: str, args: list[Any]) -> bytes:
        packed: bytes = msgpack.packb([0, number, method, args], unicode_errors="surrogateescape")
        return packed

    def _fill(self, shape: Shape) -> Any:
        rng = self.rng
        if isinstance(shape, list):
            return [self._fill(part) for part in shape]
        if shape == "f":
            return rng.choice(_FLOATS) if rng.random() < 0.15 else rng.uniform(-20.0, 20.0)
        if shape == "n":
            return rng.choice(_INTS) if rng.random() < 0.15 else rng.randrange(25)
        if shape == "b":
            return rng.random() < 0.5
        if shape == "V":
            if rng.random() < 0.1:
                return [rng.choice(_FLOATS) for _ in range(3)]
            return [rng.uniform(-100.0, 200.0), rng.uniform(-50.0, 300.0), rng.uniform(0.0, 3.0)]
        return self._named(shape)

    def _named(self, shape: str) -> Any:
        rng = self.rng
        if shape == "id":
            return rng.choice(self.known + self.own + [2**31]) if rng.random() < 0.9 else 10**6
        if shape == "own":
            return rng.choice(self.own) if self.own else 10**6
        if shape == "kind":
            return rng.choice(_KINDS)
        if shape == "attributes":
            count = rng.randrange(3)
            return [[rng.choice(_ATTRIBUTES), 3, str(self._scalar())] for _ in range(count)]
        if shape == "commands":
            return [[self._command()] for _ in range(rng.randrange(6))]
        if shape == "physics":
            return self._physics()
        return f"Nowhere{rng.choice(_WORDS)}" if shape == "town" else rng.choice(_WORDS)

    def _command(self) -> list[Any]:
        number = self.rng.randrange(len(_COMMANDS))
        return [number, self._fill(list(_COMMANDS[number]))]

    def _physics(self) -> Any:
        wheel: Shape = [*_GAINS, "f", "f", "f", "V"]
        engine: list[Shape] = [[["f", "f"]], *_ACKERMANN, "b", "f", "f", "f", [["f", "f", "f"]]]
        return self._fill([*engine, "f", "f", "V", [["f", "f"]], [wheel, wheel, wheel, wheel], "b"])

    def _spoil(self, value: list[Any]) -> list[Any]:
        """Replace, drop or add something somewhere inside of a value."""
        rng = self.rng
        if not value:
            return [self._junk(0)]
        at = rng.randrange(len(value))
        if isinstance(value[at], list) and rng.random() < 0.6:
            return [*value[:at], self._spoil(value[at]), *value[at + 1 :]]
        new = rng.choice(([], [self._junk(0)], [self._junk(0)], [value[at], self._junk(0)]))
        return [*value[:at], *new, *value[at + 1 :]]

    def _scalar(self) -> Any:
        rng = self.rng
        return rng.choice((rng.choice(_FLOATS), rng.choice(_INTS), rng.choice(_WORDS)))

    def _junk(self, depth: int) -> Any:
        rng = self.rng
        roll = rng.random()
        if depth < 3 and roll < 0.2:
            return [self._junk(depth + 1) for _ in range(rng.randrange(4))]
        if depth < 3 and roll < 0.25:
            return {str(self._scalar()): self._junk(depth + 1)}
        return rng.choice((None, True, False, rng.randbytes(8), *[self._scalar()] * 3))
