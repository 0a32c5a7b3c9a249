"""Pictures of poses: a town in one weather, drawn pose after pose, visible and thermal."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import numpy as np

from fusiondrive.errors import ConfigError, MapError
from fusiondrive.types import ActorState, CameraSpec, Closing, Image
from harness.perception.poses import FrozenPose, SetFacts
from harness.perception.stage import PoseStage
from harness.server import RunningServer, ServerSpec
from harness.session import Address, Session
from scenarios.route_files import map_identity
from sensors.config import ThermalConfig
from sensors.frame import RigFrame
from sensors.stress import Stress
from sensors.thermal import ThermalCamera
from sensors.thermal_settings import ThermalSettings, read_thermal

NO_THERMAL: Image = np.zeros((0, 0), np.uint8)
TOWN_LIMIT_S = 3600.0  # wall clock, for all pictures of a town in one weather


class Picture(NamedTuple):
    """What the cameras see of a pose."""

    pose: FrozenPose
    frame: RigFrame
    thermal: Image  # (H, W); empty where none is made
    actors: Sequence[ActorState]  # the ego first


def still_settings(text: str) -> ThermalSettings:
    """Settings of the thermal camera for pictures that follow no others.

    Raises:
        ConfigError: one of them needs the pictures before.
    """
    settings = read_thermal(text)
    for name in ("freeze", "latency"):
        if getattr(settings, name):
            raise ConfigError(
                f"thermal setting '{name}' is of pictures that follow each other; poses are drawn "
                "one by one: leave it out"
            )
    return settings


@contextmanager
def town_session(town: str, facts: SetFacts) -> Iterator[Session]:
    """A fresh server of a town of a pose set.

    Raises:
        ConfigError: the town has another map or look than that in which the poses were recorded.
        SimulatorError: the server does not start or answer.
    """
    with ExitStack() as owned:
        server = owned.enter_context(RunningServer(ServerSpec(town=town)))
        session = owned.enter_context(Session(Address(server.host, server.port)))
        session.load(town)
        found, expected = map_identity(session.map), facts.maps.get(town)
        if found != expected:
            raise MapError(
                f"{town}: its map is {found}, the poses were recorded on {expected}; record anew"
            )
        if session.look != facts.look:
            raise ConfigError(
                f"the server draws look {session.look}, the poses were recorded in look "
                f"{facts.look}: record them anew"
            )
        yield session


class Artist(Closing):
    """Draws poses of one town in one weather; every picture is the same whatever came before."""

    def __init__(
        self,
        session: Session,
        weather: str,
        camera: CameraSpec,
        settings: ThermalSettings,
        *,
        with_thermal: bool = True,
    ) -> None:
        """Set the weather.

        Args:
            session: of `town_session`.
            weather: of all pictures.
            camera: of both spectra.
            settings: of the thermal camera.
            with_thermal: whether class ids, depth and thermal pictures are made.

        Raises:
            SimulatorError: the server refuses an actor.
        """
        self.stage = PoseStage(session, weather, camera, with_thermal=with_thermal)
        self._has_thermal = with_thermal
        self._thermal = ThermalCamera(ThermalConfig(fog_ratio=settings.fog_ratio))
        self._stress = Stress(settings) if settings.has_faults else None

    def draw(self, pose: FrozenPose) -> Picture:
        """See a pose.

        Raises:
            SimulatorError: a picture does not come.
        """
        frame, actors = self.stage.show(pose), self.stage.actors(pose)
        if not self._has_thermal:
            return Picture(pose, frame, NO_THERMAL, actors)
        seed = zlib.crc32(pose.key.encode()) % 2**31
        self._thermal.reset(seed)
        thermal = self._thermal.render(frame, actors, self.stage.weather.atmosphere)
        if self._stress is not None:
            self._stress.reset(seed)
            thermal = self._stress.apply(thermal, frame.time_s)
        return Picture(pose, frame, thermal, actors)

    def close(self) -> None:
        """Remove everything; may be called twice."""
        self.stage.close()
