"""The ego vehicle: placing it at the start of a route, its lights, its removal."""

from __future__ import annotations

import logging
from dataclasses import replace

import carla

from fusiondrive.carla_types import transform_of
from fusiondrive.errors import SimulatorError
from fusiondrive.types import Control, Pose, Route
from scenarios.weather import WeatherPreset

logger = logging.getLogger(__name__)

BLUEPRINTS = ("vehicle.tesla.model3", "vehicle.lincoln.mkz_2017")
ROLE_NAME = "hero"
LIFT_M = 0.3  # above the lane, so that no wheel starts in the ground; settling takes it away
FOG_LIGHTS_FROM = 40.0  # fog density, percent


def spawn_ego(world: carla.World, route: Route) -> carla.Vehicle:
    """Place the ego at the route's start.

    Raises:
        SimulatorError: the server has no fitting blueprint, or the place is taken.
    """
    start = start_pose(route)
    return spawn_at(world, replace(start, z=start.z + LIFT_M))


def spawn_at(world: carla.World, place: Pose) -> carla.Vehicle:
    """Place the ego at exactly a pose.

    Raises:
        SimulatorError: the server has no fitting blueprint, or the place is taken.
    """
    blueprint = _blueprint(world)
    blueprint.set_attribute("role_name", ROLE_NAME)
    try:
        ego = world.spawn_actor(blueprint, transform_of(place))
    except RuntimeError as err:
        where = f"({place.x:.1f}, {place.y:.1f}, {place.z:.1f})"
        raise SimulatorError(f"could not place the ego at {where}: {err}") from err
    assert isinstance(ego, carla.Vehicle)  # its blueprint is a vehicle's
    return ego


def start_pose(route: Route) -> Pose:
    """Where a route begins."""
    x, y, z = (float(value) for value in route.points[0])
    return Pose(x, y, z, yaw=float(route.yaws[0]))


def lights_for(weather: WeatherPreset) -> carla.VehicleLightState:
    """Low beams at night and in fog, fog lights in fog."""
    lights = carla.VehicleLightState.NONE
    is_foggy = weather.fog_density >= FOG_LIGHTS_FROM
    if weather.is_night or is_foggy:
        lights = carla.VehicleLightState.Position | carla.VehicleLightState.LowBeam
    if is_foggy:
        lights |= carla.VehicleLightState.Fog
    return carla.VehicleLightState(lights)


def apply_control(ego: carla.Vehicle, control: Control) -> None:
    """Hand the control to the server; it acts in the next tick."""
    ego.apply_control(
        carla.VehicleControl(
            throttle=control.throttle,
            steer=control.steer,
            brake=control.brake,
            reverse=control.reverse,
            hand_brake=control.hand_brake,
        )
    )


def remove_ego(ego: carla.Vehicle | None) -> None:
    """Destroy the ego; a dead server is no obstacle."""
    if ego is None:
        return
    try:
        ego.destroy()
    except RuntimeError as err:
        logger.debug("the ego was not removed: %s", err)


def _blueprint(world: carla.World) -> carla.ActorBlueprint:
    library = world.get_blueprint_library()
    for name in BLUEPRINTS:
        found = list(library.filter(name))
        if found:
            return found[0]
    raise SimulatorError(f"the server has none of the vehicles {', '.join(BLUEPRINTS)}")
