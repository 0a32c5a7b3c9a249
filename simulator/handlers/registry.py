"""The registry of RPC methods: those that work, and those that are known but not simulated."""

from __future__ import annotations

from simulator.handlers import (
    actors,
    batch,
    bones,
    episode,
    lights,
    recorder,
    vehicles,
    world,
)
from simulator.handlers.method import Method
from simulator.net.wire import Form

METHODS: dict[str, Method] = {
    **episode.METHODS,
    **actors.METHODS,
    **vehicles.METHODS,
    **lights.METHODS,
    **world.METHODS,
    **batch.METHODS,
    **bones.METHODS,
    **recorder.METHODS,
}

# Their callers get an error that names the method, in the form in which the client expects it.
UNSUPPORTED: dict[str, Form] = {
    "set_annotations_traverse_translucency": Form.VOID,
    "enable_carsim": Form.VOID,
    "use_carsim_road": Form.VOID,
    "enable_chrono_physics": Form.VOID,
    "enable_sensor_for_ros": Form.VOID,
    "disable_sensor_for_ros": Form.VOID,
    "enable_gbuffers": Form.VOID,
    "are_gbuffers_enabled": Form.VALUE,
    "get_gbuffer_token": Form.VALUE,
    "set_ignored_vehicles": Form.VOID,
    "send": Form.VOID,
}
