"""Calls about traffic lights."""

from __future__ import annotations

from typing import Any

from simulator.actors.models import TrafficLight
from simulator.handlers.method import Context, Method
from simulator.net import wire
from simulator.net.wire import Form

# Heads of a light, seen from its foot as it looks, m: on the pole, on the arm above the lane.
_HEAD_CENTERS = ((0.10, 0.0, 3.1), (0.0, 4.2, 5.55))
_HEAD_HALF_EXTENT = (0.1, 0.25, 0.6)


def _index(context: Context, actor_id: int) -> int:
    return context.world.episode.actors.get(actor_id, TrafficLight).index


def set_state(context: Context, actor_id: int, state: int) -> None:
    """Switch a light."""
    context.world.episode.lights.set_state(_index(context, actor_id), int(state))


def set_green_time(context: Context, actor_id: int, seconds: float) -> None:
    """Set how long a light stays green."""
    context.world.episode.lights.set_times(_index(context, actor_id), green_s=float(seconds))


def set_yellow_time(context: Context, actor_id: int, seconds: float) -> None:
    """Set how long a light stays yellow."""
    context.world.episode.lights.set_times(_index(context, actor_id), yellow_s=float(seconds))


def set_red_time(context: Context, actor_id: int, seconds: float) -> None:
    """Set how long all lights of the group stay red after the yellow of this one."""
    context.world.episode.lights.set_times(_index(context, actor_id), red_s=float(seconds))


def freeze(context: Context, actor_id: int, on: bool) -> None:
    """Stop or continue the cycle of a light."""
    context.world.episode.lights.freeze(_index(context, actor_id), bool(on))


def freeze_all(context: Context, on: bool) -> None:
    """Stop or continue all cycles."""
    episode = context.world.episode
    for actor in episode.light_actors:
        episode.lights.freeze(actor.index, bool(on))


def reset_group(context: Context, actor_id: int) -> None:
    """Begin the cycle of a light's group anew."""
    context.world.episode.lights.reset_group(_index(context, actor_id))


def reset_all(context: Context) -> None:
    """Begin all cycles anew."""
    context.world.episode.lights.reset()


def group(context: Context, actor_id: int) -> list[int]:
    """Actors of the lights that change together with a light."""
    episode = context.world.episode
    indices = episode.lights.group(_index(context, actor_id))
    return [episode.light_actors[i].actor_id for i in indices]


def boxes(context: Context, actor_id: int) -> list[Any]:
    """World boxes of the heads of a light."""
    return head_boxes(context.world.episode.actors.get(actor_id, TrafficLight))


def head_boxes(actor: TrafficLight) -> list[Any]:
    """World boxes of the heads of a light, as they go over the wire."""
    rotation = actor.head.rotation_matrix()
    centers = [rotation @ center + actor.head[:3] for center in _HEAD_CENTERS]
    turn = actor.head[3:]
    return [wire.bounding_box(c.tolist(), _HEAD_HALF_EXTENT, turn, actor.actor_id) for c in centers]


METHODS = {
    "set_traffic_light_state": Method(set_state, Form.VOID),
    "set_traffic_light_green_time": Method(set_green_time, Form.VOID),
    "set_traffic_light_yellow_time": Method(set_yellow_time, Form.VOID),
    "set_traffic_light_red_time": Method(set_red_time, Form.VOID),
    "freeze_traffic_light": Method(freeze, Form.VOID),
    "freeze_all_traffic_lights": Method(freeze_all, Form.VOID),
    "reset_traffic_light_group": Method(reset_group, Form.VOID),
    "reset_all_traffic_lights": Method(reset_all, Form.VOID),
    "get_group_traffic_lights": Method(group),
    "get_light_boxes": Method(boxes),
}
