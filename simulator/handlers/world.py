"""Calls about the town itself: boxes of static things, rays, street lights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import Any

import carla
import numpy as np

from simulator.actors.models import ZERO, Actor, FrictionTrigger, TrafficLight, TrafficSign
from simulator.errors import ActorError
from simulator.handlers.lights import head_boxes
from simulator.handlers.method import Context, Method
from simulator.maps import MapError
from simulator.net import wire
from simulator.net.wire import Form
from simulator.quantities import finite
from simulator.sensors.measure import TAG_WORDS
from simulator.types import F64, Obstacle, Pose, Tag
from simulator.world import rays
from simulator.world.map_layers import EVERYTHING, STREET_LIGHTS, MapLayers, missing

_ANY = 255
_DIFFUSE = 2  # MaterialParameter
_LONGEST_RAY_M = 2000.0
_SHORTEST_M = 1e-6  # of a direction


def _chosen(context: Context, tag: int) -> list[tuple[int, Obstacle]]:
    """Things with a tag, in the layers that are loaded; those that were disabled count."""
    scene = context.world.episode.scene
    gone = missing(scene.listed, context.world.episode.layers.loaded)
    found = enumerate(scene.listed)
    return [(i, o) for i, o in found if tag in (_ANY, o.tag) and not gone[i]]


def _box(obstacle: Obstacle) -> list[Any]:
    half = (obstacle.half_x, obstacle.half_y, obstacle.half_z)
    return wire.bounding_box(obstacle[:3], half, (0.0, obstacle.yaw, 0.0))


def level_boxes(context: Context, tag: int) -> list[Any]:
    """World boxes of all things with a tag: of the town, heads of lights, and what was spawned."""
    found = [_box(obstacle) for _, obstacle in _chosen(context, tag)]
    for actor in context.world.episode.actors:
        if tag == _ANY or tag in actor.tags:
            found += _actor_boxes(actor)
    return found


def _actor_boxes(actor: Actor) -> list[Any]:
    if isinstance(actor, TrafficLight):
        return head_boxes(actor)
    if actor.half_extent == ZERO or isinstance(actor, TrafficSign | FrictionTrigger):
        return []  # no more than a place or a trigger volume
    place = actor.pose.compose(Pose(*actor.box_center))
    return [wire.bounding_box(place[:3], actor.half_extent, place[3:], actor.actor_id)]


def environment_objects(context: Context, tag: int) -> list[Any]:
    """EnvironmentObject for each static thing with a tag; ids are positions, counted from 1."""
    found = []
    for i, obstacle in _chosen(context, tag):
        pose = [wire.vector(obstacle[:3]), [0.0, float(obstacle.yaw), 0.0]]
        name = f"{TAG_WORDS[Tag(obstacle.tag)]}_{i + 1}"
        found.append([pose, _box(obstacle), i + 1, name, int(obstacle.tag)])
    return found


def object_names(context: Context) -> list[str]:
    """Names of all static things."""
    return [entry[3] for entry in environment_objects(context, _ANY)]


def cast_ray(context: Context, start: list[float], end: list[float]) -> list[Any]:
    """LabelledPoint for everything between two points, nearest first."""
    origin = np.array(finite(start), np.float64)
    span = np.array(finite(end), np.float64) - origin
    length = float(np.linalg.norm(span))
    reach = min(length, _LONGEST_RAY_M)
    return _points(context, origin, span / length, reach) if length > _SHORTEST_M else []


def project_point(
    context: Context, start: list[float], direction: list[float], distance_m: float
) -> list[Any]:
    """The first thing in a direction: whether there is one, and its LabelledPoint."""
    origin, run = np.array(finite(start), np.float64), np.array(finite(direction), np.float64)
    length = float(np.linalg.norm(run))
    reach = min(*finite([distance_m]), _LONGEST_RAY_M)
    points = _points(context, origin, run / length, reach) if length > _SHORTEST_M else []
    return [True, points[0]] if points else [False, [wire.vector(start), int(Tag.NONE)]]


def _points(context: Context, origin: F64, direction: F64, reach: float) -> list[Any]:
    context.world.scene_rebuilder.settled(context.connection)
    with context.world.lock:
        return _met(context, origin, direction, reach)


def _met(context: Context, origin: F64, direction: F64, reach: float) -> list[Any]:
    episode = context.world.episode
    found: list[tuple[float, int]] = []
    for hit in rays.cast(episode.scene, episode.actors, origin, direction, reach):
        if hit.actor is not None:
            tag = hit.actor.tags[0] if hit.actor.tags else Tag.OTHER
        else:
            assert hit.obstacle is not None, "cast() gives an actor or an obstacle"
            tag = episode.scene.obstacles[hit.obstacle].tag
        found.append((hit.distance_m, int(tag)))
    ground = rays.ground_distance(episode.scene, origin, direction, reach)
    if ground is not None:
        found.append((ground, _ground_tag(context, origin + direction * ground)))
    found.sort()
    return [[wire.vector((origin + direction * d).tolist()), tag] for d, tag in found]


def _ground_tag(context: Context, point: F64) -> int:
    place = carla.Location(*(float(v) for v in point))
    every = carla.LaneType.Any
    waypoint = context.world.episode.scene.carla_map.get_waypoint(
        place, project_to_road=False, lane_type=every
    )
    if waypoint is None:
        return int(Tag.TERRAIN)
    is_walk = waypoint.lane_type == carla.LaneType.Sidewalk
    return int(Tag.SIDEWALKS if is_walk else Tag.ROADS)


def _wish(context: Context, change: Callable[[MapLayers], MapLayers]) -> None:
    context.world.scene_rebuilder.wish(context.connection, change)


def load_layer(context: Context, layer: int) -> None:
    """Show the parts of the town that belong to some of CARLA's MapLayer flags."""
    flags = int(layer) & EVERYTHING.loaded
    _wish(context, lambda shown: replace(shown, loaded=shown.loaded | flags))


def unload_layer(context: Context, layer: int) -> None:
    """Hide the parts of the town that belong to some of CARLA's MapLayer flags."""
    flags = int(layer) & EVERYTHING.loaded
    _wish(context, lambda shown: replace(shown, loaded=shown.loaded & ~flags))


def enable_objects(context: Context, ids: list[int], on: bool) -> None:
    """Show or hide single things; they neither show nor stand in the way while hidden."""
    count = len(context.world.episode.scene.listed)
    chosen = frozenset(int(number) for number in ids)
    if unknown := [i for i in sorted(chosen) if not 1 <= i <= count]:
        raise ActorError(f"no environment object {unknown[0]}; ids are 1 to {count}")

    def change(shown: MapLayers) -> MapLayers:
        return replace(shown, hidden=shown.hidden - chosen if on else shown.hidden | chosen)

    _wish(context, change)


def apply_texture(
    context: Context, names: list[str], parameter: int, texture: list[Any], scale: float = 1.0
) -> None:
    """Give things the mean colour of a texture; nothing but the diffuse one shows."""
    known = {entry[3]: entry[2] for entry in environment_objects(context, _ANY)}
    chosen = [known[name] for name in names if name in known]
    if not chosen:
        raise ActorError("unable to find Actor to apply the texture")
    pixels = (
        np.array(texture[2], np.float64).reshape(-1, len(texture[2][0])) if texture[2] else None
    )
    if parameter != _DIFFUSE or pixels is None:
        return
    r, g, b = (int(v) for v in np.clip(scale * pixels[:, :3].mean(axis=0) + 0.5, 0.0, 255.0))
    _wish(context, lambda shown: shown.painted(chosen, (r, g, b)))


def apply_float_texture(
    context: Context, names: list[str], parameter: int, texture: list[Any]
) -> None:
    """Give things the mean colour of a texture of numbers from 0 to 1."""
    apply_texture(context, names, parameter, texture, 255.0)


def copy_opendrive(context: Context, xodr: str, parameters: list[Any]) -> None:
    """Keep an own OpenDRIVE text; the client loads it next, as the town `OpenDriveMap`.

    A whole town grows from it as from any map, so that the parameters of CARLA's bare road mesh
    change nothing.
    """
    del parameters
    try:
        context.world.store.keep_own(xodr)
    except MapError as err:
        raise ActorError(str(err)) from err


def street_lights(context: Context, client: str) -> list[Any]:
    """LightState of all street lamps."""
    del client
    context.world.lamps_told_s = monotonic()
    episode = context.world.episode
    has_any = episode.layers.loaded & STREET_LIGHTS
    return episode.street_lights.states() if has_any else []


def update_lights(context: Context, client: str, rows: list[Any], discard: bool = False) -> None:
    """Switch and tune street lamps; pictures show which ones are off."""
    del client, discard
    context.world.episode.street_lights.update(rows)
    _show_lamps(context)


def update_cycle(context: Context, client: str, active: bool) -> None:
    """Set whether the sun switches the lamps."""
    del client
    context.world.episode.street_lights.set_cycle(active=bool(active))
    _show_lamps(context)


def _show_lamps(context: Context) -> None:
    dark = context.world.episode.street_lights.dark()
    _wish(context, lambda shown: replace(shown, dark=dark))


METHODS = {
    "get_all_level_BBs": Method(level_boxes),
    "get_environment_objects": Method(environment_objects),
    "get_names_of_all_objects": Method(object_names),
    "load_map_layer": Method(load_layer, Form.VOID),
    "unload_map_layer": Method(unload_layer, Form.VOID),
    "enable_environment_objects": Method(enable_objects, Form.VOID),
    "apply_color_texture_to_objects": Method(apply_texture, Form.VOID),
    "apply_float_color_texture_to_objects": Method(apply_float_texture, Form.VOID),
    "copy_opendrive_to_file": Method(copy_opendrive, Form.VOID, is_locked=False),
    "cast_ray": Method(cast_ray, is_locked=False),
    "project_point": Method(project_point, is_locked=False),
    "query_lights_state": Method(street_lights),
    "update_lights_state": Method(update_lights, Form.VOID),
    "update_day_night_cycle": Method(update_cycle, Form.VOID),
}
