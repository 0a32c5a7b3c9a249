"""Further sensors that a policy asks for, mounted on the ego and read frame by frame."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence

import carla

from fusiondrive.carla_types import transform_of
from fusiondrive.errors import ConfigError, SimulatorError
from fusiondrive.types import Closing, Reading, SensorSpec
from sensors.rig import FIXED_ATTRIBUTES, FrameQueue

logger = logging.getLogger(__name__)

SPEEDOMETER, OPENDRIVE_MAP = "sensor.speedometer", "sensor.opendrive_map"  # no actors in CARLA


class MountedSensors(Closing):
    """Spawns the sensors that are specified; `read` waits for the data of all in one frame."""

    def __init__(
        self,
        world: carla.World,
        ego: carla.Vehicle,
        specs: Sequence[SensorSpec],
        *,
        opendrive: Callable[[], str],
        timeout_s: float = 10.0,
    ) -> None:
        """Attach all sensors.

        Raises:
            ConfigError: a blueprint or an attribute is unknown to the server.
            SimulatorError: the server refused an actor.
        """
        self._ego = ego
        self._timeout_s = timeout_s
        self._actors: list[carla.Actor] = []
        self._queues: dict[str, FrameQueue] = {}
        self._speedometers = [s.sensor_id for s in specs if s.kind == SPEEDOMETER]
        maps = [s.sensor_id for s in specs if s.kind == OPENDRIVE_MAP]
        self._maps = dict.fromkeys(maps, opendrive() if maps else "")
        try:
            for spec in specs:
                if spec.kind not in (SPEEDOMETER, OPENDRIVE_MAP):
                    self._spawn(world, spec)
        except RuntimeError as err:
            self.close()
            raise SimulatorError(f"could not attach the sensors: {err}") from err
        except BaseException:
            self.close()
            raise

    def _spawn(self, world: carla.World, spec: SensorSpec) -> None:
        mount = transform_of(spec.mount)
        actor = world.spawn_actor(_blueprint(world, spec), mount, attach_to=self._ego)
        self._actors.append(actor)
        inbox = FrameQueue(spec.sensor_id)
        self._queues[spec.sensor_id] = inbox
        actor.listen(inbox.put)

    def read(self, frame: int, timeout_s: float | None = None) -> dict[str, Reading]:
        """Wait for the data of every sensor for this frame.

        Raises:
            SimulatorError: a sensor is late; it is named.
        """
        deadline = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        readings = {}
        for name, inbox in self._queues.items():
            measured = inbox.take(frame, max(deadline - time.monotonic(), 0.001))
            readings[name] = Reading(frame, measured)
        for name in self._speedometers:
            readings[name] = Reading(frame, forward_speed(self._ego))
        for name, text in self._maps.items():
            readings[name] = Reading(frame, text)
        return readings

    def close(self) -> None:
        """Stop and remove the sensors; a dead server is no obstacle."""
        actors, self._actors = self._actors, []
        for actor in actors:
            try:
                actor.stop()
                actor.destroy()
            except RuntimeError as err:
                logger.debug("sensor %s was not removed: %s", actor.id, err)


def forward_speed(ego: carla.Vehicle) -> float:
    """Velocity along the vehicle's nose in m/s, pitch included, as CARLA's speedometer has it."""
    velocity, turn = ego.get_velocity(), ego.get_transform().rotation
    pitch, yaw = math.radians(turn.pitch), math.radians(turn.yaw)
    level = velocity.x * math.cos(yaw) + velocity.y * math.sin(yaw)
    return float(level * math.cos(pitch) + velocity.z * math.sin(pitch))


def _blueprint(world: carla.World, spec: SensorSpec) -> carla.ActorBlueprint:
    try:
        blueprint = world.get_blueprint_library().find(spec.kind)
    except IndexError as err:
        raise ConfigError(f"sensor '{spec.sensor_id}': the server has no {spec.kind}") from err
    for name, value in FIXED_ATTRIBUTES.items():
        if blueprint.has_attribute(name):
            blueprint.set_attribute(name, value)
    for name, value in spec.attributes:
        if not blueprint.has_attribute(name):
            known = ", ".join(sorted(attribute.id for attribute in blueprint))
            raise ConfigError(
                f"sensor '{spec.sensor_id}': {spec.kind} has no attribute '{name}'; known: {known}"
            )
        blueprint.set_attribute(name, value)
    return blueprint
