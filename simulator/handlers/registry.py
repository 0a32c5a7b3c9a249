"""The registry of RPC methods: those that work, and those that are known but not simulated."""

from __future__ import annotations

from simulator.handlers import actors as handlers_actors
from simulator.handlers import batch as handlers_batch
from simulator.handlers import bones as handlers_bones
from simulator.handlers import lights as handlers_lights
from simulator.handlers import recorder as handlers_recorder
from simulator.handlers import session as handlers_session
from simulator.handlers import vehicles as handlers_vehicles
from simulator.handlers import world as handlers_world
from simulator.handlers.method import Method
from simulator.net.wire import Form

METHODS: dict[str, Method] = {
    **handlers_session.METHODS,
    **handlers_actors.METHODS,
    **handlers_vehicles.METHODS,
    **handlers_lights.METHODS,
    **handlers_world.METHODS,
    **handlers_batch.METHODS,
    **handlers_bones.METHODS,
    **handlers_recorder.METHODS,
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
