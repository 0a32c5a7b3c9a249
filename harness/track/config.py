"""What a user can choose of the track tests, and what of it is refused before a server starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

from fusiondrive.arms import Arm
from fusiondrive.cli import Flag, check_values
from fusiondrive.errors import ConfigError, MapError
from harness.checks import check_docker, check_reachable, check_weathers
from harness.config import BACKENDS
from harness.file_names import safe_name
from harness.probe import DEFAULT_PORT, check_version
from harness.track.detection import make_detector
from harness.track.eyes import track_arm
from harness.track.protocol import SPEEDS_KMH, TESTS, track_test
from perceivers.detection import CAMERA, Detector
from scenarios.route_weather import ROUTE_WEATHER
from scenarios.weather import weather_name
from sensors.arms import ArmFacts, Maker, check_distinct, make_image_maker, takes_weights
from sensors.thermal_settings import read_thermal

SCENE, SIGHT, SERVER, OUTPUT = "what is driven", "what looks", "the server", "what comes out"
CONNECT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class TrackOptions:
    """Options of `python -m harness.track`."""

    test: Annotated[
        tuple[str, ...], Flag("such as CPNA-25 CCRs; default: all", "NAME", group=SCENE)
    ] = ()
    speed: Annotated[
        tuple[int, ...], Flag("test speeds, km/h", "KMH", group=SCENE, at_least=10, at_most=130)
    ] = SPEEDS_KMH
    weather: Annotated[
        tuple[str, ...], Flag("such as clear fog:40 night:headlights", "NAME", group=SCENE)
    ] = ("clear",)
    town: Annotated[
        str | None,
        Flag("default: track, Town04 in a container, else what is loaded", group=SCENE),
    ] = None
    seed: Annotated[int, Flag("of sensor noise", group=SCENE, at_least=0)] = 0
    arms: Annotated[
        tuple[str, ...], Flag("whose images are looked at, such as rgb thermal oracle", group=SIGHT)
    ] = ("rgb",)
    fuser_weights: Annotated[
        Path | None, Flag("of the arm `student` or a plug-in fuser", "FILE", group=SIGHT)
    ] = None
    thermal: Annotated[
        str, Flag("of the thermal camera, such as fog_ratio=0.1,noise=4", group=SIGHT)
    ] = "fog_ratio=0.5"
    detector: Annotated[
        str,
        Flag("privileged (knows the actors in view), perceiver, or pkg.module:Class", group=SIGHT),
    ] = "privileged"
    detector_weights: Annotated[
        Path | None, Flag("of perceiver, or handed to that class", "FILE", group=SIGHT)
    ] = None
    backend: Annotated[
        str, Flag("what stands behind the client", group=SERVER, choices=BACKENDS)
    ] = "embedded"
    host: Annotated[str, Flag("of an external server", group=SERVER)] = "localhost"
    port: Annotated[int | None, Flag("of an external server (default 2000)", group=SERVER)] = None
    maps: Annotated[
        Path | None, Flag("official OpenDRIVE files for the embedded server", "DIR", group=SERVER)
    ] = None
    retries: Annotated[int, Flag("of a run that the simulator broke", group=SERVER, at_least=0)] = 2
    clips: Annotated[bool, Flag("write a video and a picture of every run", group=OUTPUT)] = False
    out: Annotated[Path | None, Flag("default: runs/track_<weather>", "DIR", group=OUTPUT)] = None

    def __post_init__(self) -> None:
        """Check single values."""
        check_values(self)

    @property
    def directory(self) -> Path:
        """Where rows, tables, plots and clips go."""
        if self.out is not None:
            return self.out
        weathers = "-".join(weather_name(name) for name in self.weather)
        return Path("runs") / safe_name(f"track_{weathers}".replace(":", "-"))

    @property
    def tests(self) -> tuple[str, ...]:
        """Names of the tests to drive."""
        return self.test or tuple(TESTS)


class ReadyArm(NamedTuple):
    """An arm with what makes its image, and its own detector."""

    arm: Arm
    maker: Maker
    facts: ArmFacts
    detector: Detector


def check_options(options: TrackOptions) -> list[ReadyArm]:
    """Check names, weights and the server's address; build arms and detectors.

    Raises:
        ConfigError: with the first problem found.
    """
    for kind, names in (
        ("track test", options.tests),
        ("speed", options.speed),
        ("arm", options.arms),
    ):
        _check_once(kind, names)
    check_weathers([name for name in options.weather if name != ROUTE_WEATHER])
    if ROUTE_WEATHER in options.weather:
        raise ConfigError(f"weather '{ROUTE_WEATHER}' is a route file's, and track tests have none")
    read_thermal(options.thermal)
    tests = [track_test(name) for name in options.tests]
    if not any(test.speeds(options.speed) for test in tests):
        raise ConfigError(
            f"nothing to drive: {', '.join(options.tests)} begins at "
            f"{min(test.least_kmh for test in tests)} km/h"
        )
    _check_server(options)
    return _ready_arms(options)


def _ready_arms(options: TrackOptions) -> list[ReadyArm]:
    arms = [track_arm(name) for name in options.arms]
    if options.fuser_weights is not None and not any(map(takes_weights, arms)):
        raise ConfigError("fuser_weights were given, but no arm takes them; 'student' does")
    if options.detector_weights is not None and not options.detector_weights.exists():
        raise ConfigError(f"detector weights {options.detector_weights}: no such file")
    makers = [make_image_maker(arm, options.fuser_weights) for arm in arms]
    facts = [maker.facts() for maker in makers]
    check_distinct(arms, facts)
    detectors = [make_detector(options.detector, options.detector_weights) for _ in arms]
    for detector in detectors[:1]:
        if detector.cameras and CAMERA not in detector.cameras:
            raise ConfigError(
                f"detector '{detector.name}' was trained on {'; '.join(map(str, detector.cameras))}"
                f", and the track tests look through {CAMERA}; train one on frames of that camera"
            )
    return [ReadyArm(*parts) for parts in zip(arms, makers, facts, detectors, strict=True)]


def _check_server(options: TrackOptions) -> None:
    if options.backend == "external":
        port = options.port or DEFAULT_PORT
        check_reachable(options.host, port, CONNECT_S)
        check_version(options.host, port, CONNECT_S)
    if options.backend == "docker":
        check_docker()
    if options.maps is not None and not options.maps.is_dir():
        raise MapError(f"maps directory {options.maps}: no such directory")
    if options.maps is not None and options.backend != "embedded":
        raise ConfigError(f"maps are for the embedded backend, not for {options.backend}")


def _check_once(kind: str, names: Sequence[object]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{kind} given twice: {twice}")
