"""Calls about the episode: map data, settings, weather, time, Traffic Manager registry."""

from __future__ import annotations

import re
from typing import Any

from simulator.errors import ActorError
from simulator.handlers.method import Context, Method
from simulator.net import wire
from simulator.net.wire import Form
from simulator.quantities import finite
from simulator.render.choice import describe
from simulator.render.version import RENDER_VERSION
from simulator.world.settings import Settings

_MAPS = "/Game/Carla/Maps/"
_LAYERED = re.compile(r"Town\d\d(HD)?")  # as CARLA has `_Opt` maps of them


def version(_: Context) -> str:
    """The protocol version this server speaks."""
    return wire.VERSION


def episode_info(context: Context) -> list[Any]:
    """EpisodeInfo: id and the token of the world state."""
    token = context.host.token(wire.WORLD_STREAM)
    return [context.world.episode.episode_id, [token]]


def sensor_token(context: Context, number: int) -> list[bytes]:
    """The token of a stream that the client is about to subscribe to."""
    return [context.host.expect(number)]


def available_maps(context: Context) -> list[str]:
    """Asset paths of all towns; CARLA's own names are listed as layered maps too."""
    names = context.world.store.available()
    layered = {f"{name}_Opt" for name in names if _LAYERED.fullmatch(name)}
    return [_MAPS + name for name in sorted(layered.union(names))]


def map_info(context: Context) -> list[Any]:
    """MapInfo: name and spawn points."""
    episode = context.world.episode
    points = episode.scene.town.spawn_points
    return [f"Carla/Maps/{episode.map_name}", [wire.transform(p) for p in points]]


def map_data(context: Context) -> str:
    """The OpenDRIVE text."""
    return context.world.episode.scene.town.xodr


def navigation_mesh(context: Context) -> bytes:
    """The town's navigation mesh."""
    return context.world.episode.scene.navigation


def required_files(context: Context, folder: str = "") -> list[str]:
    """The navigation mesh, which clients ask for by its folder; all else comes by other calls."""
    scene = context.world.episode.scene
    return [scene.navigation_file] if folder.strip("/") == "Nav" and scene.navigation else []


def request_file(context: Context, name: str) -> bytes:
    """The contents of a file that `required_files` named."""
    scene = context.world.episode.scene
    if name != scene.navigation_file or not scene.navigation:
        raise ActorError(f"no such file {name!r}; there is {required_files(context, 'Nav')}")
    return scene.navigation


def settings(context: Context) -> list[Any]:
    """EpisodeSettings; the Traffic Manager polls this, so it takes no lock."""
    return context.world.settings.as_list()


def set_settings(context: Context, values: list[Any]) -> int:
    """Change the EpisodeSettings; returns the last published frame."""
    return context.host.change_settings(Settings.from_list(values))


def tick_cue(context: Context) -> int:
    """Let one step pass in synchronous mode."""
    return context.host.tick_cue(context.connection)


def weather(context: Context) -> list[float]:
    """WeatherParameters."""
    return context.world.episode.weather.as_list()


def set_weather(context: Context, values: list[float]) -> None:
    """Change the weather from the next image on."""
    context.world.episode.set_weather(list(finite(values)))


def gravity(context: Context) -> float:
    """What the IMUs measure at rest, m/s^2."""
    return context.world.gravity


def set_gravity(context: Context, value: float) -> None:
    """Change what the IMUs measure at rest."""
    (context.world.gravity,) = finite([value])


def definitions(context: Context) -> list[Any]:
    """The blueprint library."""
    return [blueprint.as_list() for blueprint in context.world.library.values()]


def is_manager_running(context: Context, port: int) -> bool:
    """Whether a Traffic Manager is registered for that port."""
    return port in context.world.traffic_managers


def manager(context: Context, port: int) -> list[Any]:
    """Host and port of a Traffic Manager; empty and 0 if there is none."""
    found = context.world.traffic_managers.get(port)
    return [found[0], port] if found is not None else ["", 0]


def add_manager(context: Context, where: list[Any]) -> bool:
    """Register a Traffic Manager for as long as its client stays connected."""
    host, port = where
    if port in context.world.traffic_managers:
        return False
    context.world.traffic_managers[port] = (host, context.connection)
    return True


def remove_manager(context: Context, port: int) -> bool:
    """Forget a Traffic Manager."""
    return context.world.traffic_managers.pop(port, None) is not None


def draw_debug_shape(context: Context, shape: list[Any]) -> None:
    """Draw a DebugShape into the images of RGB cameras until its time is over."""
    context.world.episode.debug_shapes.add(shape)


def clear_debug_shapes(context: Context) -> None:
    """Draw no debug shape any more."""
    context.world.episode.debug_shapes.clear()


def clear_debug_strings(_: Context) -> None:
    """Do nothing: strings belong to the server's window, as in CARLA, and here is none."""


def console_command(_: Context, command: str) -> bool:
    """Refuse a command, for there is no Unreal console here."""
    raise ActorError(f"console_command is not supported by this server: {command!r}")


def is_enabled_for_ros(_: Context, stream_id: int) -> bool:
    """Answer that ROS never hears a sensor: this server does not speak it."""
    del stream_id
    return False


def profile(context: Context) -> dict[str, float]:
    """Mean milliseconds per tick of each stage since the last call, and the number of ticks.

    Not part of CARLA's protocol: a plain msgpack-rpc call, for benchmarks.
    """
    return context.host.profile.read(reset=True)


def render_version(_: Context) -> int:
    """Version of the pictures. Not part of CARLA's protocol: for rows and model cards."""
    return RENDER_VERSION


def renderer(context: Context) -> str:
    """What draws the pictures, such as `numba`. Not part of CARLA's protocol: for benchmarks."""
    return describe(context.world.episode.scene.renderer)


METHODS = {
    "version": Method(version, is_locked=False),
    "get_episode_info": Method(episode_info, is_locked=False),
    "get_sensor_token": Method(sensor_token, is_locked=False),
    "get_available_maps": Method(available_maps, is_locked=False),
    "get_map_info": Method(map_info),
    "get_map_data": Method(map_data),
    "get_navigation_mesh": Method(navigation_mesh, is_locked=False),
    "get_required_files": Method(required_files, is_locked=False),
    "request_file": Method(request_file, is_locked=False),
    "get_episode_settings": Method(settings, is_locked=False),
    "set_episode_settings": Method(set_settings, is_locked=False),
    "tick_cue": Method(tick_cue, is_locked=False),
    "get_weather_parameters": Method(weather, is_locked=False),
    "set_weather_parameters": Method(set_weather, Form.VOID),
    "get_imui_gravity": Method(gravity, is_locked=False),
    "set_imui_gravity": Method(set_gravity, Form.VOID),
    "get_actor_definitions": Method(definitions, is_locked=False),
    "is_traffic_manager_running": Method(is_manager_running, is_locked=False),
    "get_traffic_manager_running": Method(manager, is_locked=False),
    "add_traffic_manager_running": Method(add_manager, is_locked=False),
    "destroy_traffic_manager": Method(remove_manager, is_locked=False),
    "draw_debug_shape": Method(draw_debug_shape, Form.VOID),
    "clear_debug_shape": Method(clear_debug_shapes, Form.VOID),
    "clear_debug_string": Method(clear_debug_strings, Form.VOID, is_locked=False),
    "console_command": Method(console_command, is_locked=False),
    "is_sensor_enabled_for_ros": Method(is_enabled_for_ros, is_locked=False),
    "fusiondrive_profile": Method(profile, Form.BARE, is_locked=False),
    "fusiondrive_look": Method(render_version, Form.BARE, is_locked=False),
    "fusiondrive_renderer": Method(renderer, Form.BARE, is_locked=False),
}
