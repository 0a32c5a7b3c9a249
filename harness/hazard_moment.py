"""What the ego's cameras see as a hazard acts before the bumper: the expert drives there."""

from __future__ import annotations

from fusiondrive.errors import ConfigError
from harness.drive import Drive
from harness.hazard_watch import ahead_of_bumper_m
from harness.simulation import Simulation
from policies.expert import ExpertPolicy
from scenarios.hazards.scene import Scene
from scenarios.hazards.script import Phase
from scenarios.spec import EpisodeSpec
from sensors.inputs import Views

AT_M = 14.0  # from the bumper to the hazard's main actor


def views_at_hazard(
    simulation: Simulation, town: str, route: str, weather: str, hazard: str
) -> Views:
    """Drive to a hazard, and look at it from 14 m.

    Args:
        simulation: in which the expert drives.
        town: its name.
        route: number of the route, such as `08`.
        weather: its name.
        hazard: one of the kinds of hazards.

    Returns:
        The images of that moment, the visible and the thermal one among them.

    Raises:
        ConfigError: the route has no room for the hazard.
        SimulatorError: the simulator died or did not answer.
    """
    spec = EpisodeSpec(town, route, weather, "thermal", "none", "expert", 0, hazards=hazard)
    drive, expert = simulation.begin(spec), ExpertPolicy()
    expert.reset(drive.context())
    while not _is_moment(drive):
        drive.step(expert.act(drive.observation, drive.state))
        if drive.is_over:
            raise ConfigError(f"route '{route}' has no room for the hazard {hazard}")
    return drive.views


def _is_moment(drive: Drive) -> bool:
    assert drive.course is not None  # the episode has hazards
    scene = Scene(drive.state, drive.course.way)
    for script in drive.course.scripts:
        main_actor = scene.by_id.get(script.main_id)
        if script.phase is Phase.ACTING and main_actor is not None:
            return ahead_of_bumper_m(script, scene, main_actor) <= AT_M
    return False
