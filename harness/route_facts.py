"""What rows and messages say of a route, as it travels from the driving process to the runner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fusiondrive.provenance import text_hash
from fusiondrive.types import Route
from harness.config import RunConfig
from scenarios.hazards.kinds import ROUTE
from scenarios.hazards.route_file import hazards_digest
from scenarios.route_files import describe_unserved
from scenarios.route_weather import ROUTE_WEATHER, course_of
from scenarios.spec import RouteSpec
from scenarios.weather import preset
from scenarios.weather_files import is_weather_file

NOTES_SHOWN = 5


@dataclass(frozen=True)
class RouteFacts:
    """A route as rows name it."""

    route_id: str
    digest: str
    length_m: float
    weather_digest: str = ""  # of what weather `route` means for it
    has_weather: bool = False  # in its file
    range_m: float | None = None  # optical range in weather `route`
    unserved: tuple[tuple[str, int], ...] = ()
    hazards_digest: str = ""  # of those that its file gives
    notes: tuple[str, ...] = ()

    @property
    def unserved_text(self) -> str:
        """What its file has beside what is served, as a row says it."""
        return describe_unserved([self])


def range_in(weather: str, route: RouteFacts) -> float | None:
    """Meteorological optical range of a drive, m, as rows say it; None in weather without fog."""
    range_m = route.range_m if weather == ROUTE_WEATHER else preset(weather).range_m
    return None if range_m is None else round(range_m, 1)


def digest_of(weather: str, route: RouteFacts) -> str:
    """Digest of a weather whose name does not say what it is: a file's; else empty."""
    if weather == ROUTE_WEATHER:
        return route.weather_digest
    return course_of(weather, None).digest() if is_weather_file(weather) else ""


def route_facts(spec: RouteSpec, route: Route) -> RouteFacts:
    """The facts of a route, given its plan."""
    return RouteFacts(
        route_id=spec.route_id,
        digest=route_digest(spec, route.planning),
        length_m=route.length_m,
        weather_digest=course_of(ROUTE_WEATHER, spec.weather).digest(),
        range_m=course_of(ROUTE_WEATHER, spec.weather).range_m,
        has_weather=spec.weather is not None,
        unserved=spec.unserved,
        hazards_digest=hazards_digest(spec.hazards),
        notes=route.notes,
    )


def route_digest(spec: RouteSpec, planning: int = 1) -> str:
    """SHA-256 (first 12 hex digits) over the keypoints: another path is another episode.

    Args:
        spec: the route.
        planning: `Route.planning`; the first one's is left out, so that rows of old are found.
    """
    text = ";".join(f"{p.x:.3f},{p.y:.3f},{p.z:.3f},{p.yaw:.3f}" for p in spec.keypoints)
    if planning != 1:
        text += f";planning {planning}"
    return text_hash(text)


def about_routes(routes: Sequence[RouteFacts], config: RunConfig) -> list[str]:
    """What to say once of a file's routes: their weather, what is not served, what is odd."""
    file = config.route_file
    if file is None:
        return []
    odd = [route for route in routes if route.notes]
    lines = []
    unserved = describe_unserved(routes)
    if unserved:
        lines.append(f"{file}: not served, and left out of the drives: {unserved}")
    lines += [f"route '{route.route_id}': {'; '.join(route.notes)}" for route in odd[:NOTES_SHOWN]]
    if len(odd) > NOTES_SHOWN:
        lines.append(f"{len(odd) - NOTES_SHOWN} more such routes; rows have it as route_notes")
    about = _about_weather(routes, config) + _about_hazards(routes, config)
    return about + [f"warning: {line}" for line in lines]


def _about_hazards(routes: Sequence[RouteFacts], config: RunConfig) -> list[str]:
    own = sum(bool(route.hazards_digest) for route in routes)
    which = f"{config.route_file}: {own} of {len(routes)} routes give hazards"
    if own and config.hazards == ROUTE:
        return [f"{which}; they are driven"]
    if own:
        return [
            f"warning: {which}, which are not driven, since --hazards {config.hazards} was asked "
            f"for; --hazards {ROUTE} drives them"
        ]
    return []


def _about_weather(routes: Sequence[RouteFacts], config: RunConfig) -> list[str]:
    own, file = sum(route.has_weather for route in routes), config.route_file
    if ROUTE_WEATHER in config.weather and own == len(routes):
        return [f"{file}: its routes are driven in the weather that it gives"]
    if ROUTE_WEATHER in config.weather:
        return [
            f"warning: {file}: {len(routes) - own} of {len(routes)} routes give no weather; they "
            "are driven in the Leaderboard's default (cloudiness 50, sun at 70 degrees)"
        ]
    if own:
        return [
            f"warning: {file}: {own} of {len(routes)} routes give a weather, which is not driven, "
            f"since {' '.join(config.weather)} was asked for; --weather {ROUTE_WEATHER} drives it"
        ]
    return []
