"""Plans the runs, drives them on one server, and writes a row for each arm."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import Any, NamedTuple

from fusiondrive.errors import SimulatorError
from fusiondrive.provenance import package_version, source_commit
from fusiondrive.types import Closing
from harness.progress import Progress
from harness.server import RunningServer, ServerSpec
from harness.session import Address, Session
from harness.track.clips import Clip
from harness.track.config import ReadyArm, TrackOptions
from harness.track.eyes import Eyes
from harness.track.protocol import STEP_S, VERSION, track_test
from harness.track.road import Straight, longest_straight
from harness.track.scene import Scene
from harness.track.trial import Result, Track
from results.columns import ROW_DIGITS
from results.store import Store
from results.track_row import TrackRow, identity_of
from scenarios.route_files import map_identity
from scenarios.route_weather import course_of
from scenarios.route_xml import town_name
from scenarios.street_lamps import DarkStreets
from scenarios.weather import preset, weather_name
from scenarios.weather_files import is_weather_file
from sensors.inputs import input_kind
from sensors.thermal_settings import THERMAL_LOOK, read_thermal

logger = logging.getLogger(__name__)

TRACK_TOWN = "track"
DEFAULT_TOWNS = {"embedded": TRACK_TOWN, "docker": "Town04"}  # else what a running server has
SETTLE_TICKS = 2


class _Planned(NamedTuple):
    """A scene with the rows that are not there yet, without what comes of them."""

    scene: Scene
    todo: list[tuple[ReadyArm, dict[str, Any]]]


class TrackRunner(Closing):
    """Owns the server, which stays for all runs and is replaced when it breaks."""

    def __init__(
        self, options: TrackOptions, arms: Sequence[ReadyArm], store: Store[TrackRow]
    ) -> None:
        self._options, self._arms, self._store = options, arms, store
        self._commit = source_commit()
        self._owned = ExitStack()
        self._session: Session | None = None
        self._road: Straight | None = None

    def run(self) -> None:
        """Drive what is not done yet.

        Raises:
            MapError: the town is unknown or has no road that is straight for long enough.
            SimulatorError: no server could be brought to answer.
        """
        scenes = len(self._scenes(self._options.weather[0]))
        total = len(self._options.weather) * scenes * len(self._arms)
        with Progress(total) as progress:
            for weather in self._options.weather:
                self._drive_weather(weather, progress)

    def close(self) -> None:
        """Give the clock back and stop a server of our own; may be called twice."""
        self._session = None
        self._owned.close()

    def _scenes(self, weather: str) -> list[Scene]:
        tests = [track_test(name) for name in self._options.tests]
        return [
            Scene(test, speed, preset(weather).has_oncoming_car)
            for test in tests
            for speed in test.speeds(self._options.speed)
        ]

    def _drive_weather(self, weather: str, progress: Progress) -> None:
        planned = [self._plan(scene, weather) for scene in self._scenes(weather)]
        progress.skip(sum(len(self._arms) - len(item.todo) for item in planned))
        waiting = [item for item in planned if item.todo]
        failed: list[Scene] = []
        while waiting:
            try:
                self._work_off(waiting, weather, progress)
            except SimulatorError as err:
                scene, is_connected = waiting[0].scene, self._session is not None
                failed = [*failed, scene] if scene in failed else [scene]
                logger.warning("%s, attempt %d: %s", scene.test.name, len(failed), err)
                self.close()
                if len(failed) <= self._options.retries:
                    continue
                if not is_connected:
                    raise  # no server comes up at all: the next run would fare no better
                self._give_up(waiting.pop(0), str(err), progress)

    def _give_up(self, planned: _Planned, error: str, progress: Progress) -> None:
        """Write rows that say that the simulator did not hold out; they are driven again."""
        for _, values in planned.todo:
            row = TrackRow(**values, outcome="sim_error", error=error, commit=self._commit)
            self._store.append(row)
            progress.finish(f"{row.test} {row.speed_kmh} km/h {row.weather} {row.arm}: sim_error")

    def _work_off(self, waiting: list[_Planned], weather: str, progress: Progress) -> None:
        """Drive one after the other, and take them off the list.

        Raises:
            SimulatorError: the server broke; what is first in the list then was not driven.
        """
        try:
            self._drive_all(waiting, weather, progress)
        except RuntimeError as err:  # the client's own
            raise SimulatorError(f"the client failed: {err}") from err

    def _drive_all(self, waiting: list[_Planned], weather: str, progress: Progress) -> None:
        session, road = self._connected()
        with ExitStack() as owned:
            chosen = preset(weather)
            settings = read_thermal(self._options.thermal)
            track = Track(session, road, chosen, self._options.seed, settings)
            if chosen.is_night and not chosen.has_street_lamps:
                owned.enter_context(DarkStreets(session.world))
            for _ in range(SETTLE_TICKS):
                session.tick()
            while waiting:
                for row in self._drive(track, waiting[0]):
                    self._store.append(row)
                    progress.finish(
                        f"{row.test} {row.speed_kmh} km/h {row.weather} {row.arm}: {row.outcome}"
                    )
                del waiting[0]

    def _drive(self, track: Track, planned: _Planned) -> list[TrackRow]:
        """One approach for all arms, then a run for each step at which one of them brakes."""
        scene, began_s = planned.scene, time.monotonic()
        eyes = [Eyes(ready.arm, ready.maker, ready.detector) for ready, _ in planned.todo]
        unbraked = track.approach(scene, eyes)
        results: dict[int | None, Result] = {None: unbraked}
        for step in sorted({eye.brake_step for eye in eyes if eye.brake_step is not None}):
            results[step] = track.braked(scene, step)
        if self._options.clips:
            self._film(track, planned, eyes)
        share_s = (time.monotonic() - began_s) / len(eyes)
        return [
            self._row(values, eye, results[eye.brake_step], share_s)
            for (_, values), eye in zip(planned.todo, eyes, strict=True)
        ]

    def _film(self, track: Track, planned: _Planned, eyes: Sequence[Eyes]) -> None:
        for (_, values), eye in zip(planned.todo, eyes, strict=True):
            with Clip(self._options.directory / "clips", values) as clip:
                result = track.braked(planned.scene, eye.brake_step, clip.on_step)
                clip.finish(result)

    def _row(self, values: dict[str, Any], eye: Eyes, result: Result, seconds: float) -> TrackRow:
        test = track_test(values["test"])
        contact = result.contact
        if test.is_clear:
            outcome = "quiet" if eye.brake_step is None else "false_alarm"
        else:
            outcome = "avoided" if contact is None else "hit"
        impact = 0.0 if contact is None else 3.6 * contact.speed_mps
        closing = None if contact is None else 3.6 * contact.closing_mps
        measured = {
            "impact_kmh": None if test.is_clear else impact,
            "closing_kmh": closing,
            "struck": None if contact is None else contact.struck,
            "seen_at_m": eye.seen_at_m,
            "brake_at_m": result.brake_gap_m,
            "brake_ttc_s": result.brake_ttc_s,
            "least_gap_m": result.least_gap_m,
            "decel_mps2": result.decel_mps2,
        }
        rounded: dict[str, Any] = {
            name: None if value is None else round(value, ROW_DIGITS)
            for name, value in measured.items()
        }
        return TrackRow(
            **values,
            **rounded,
            outcome=outcome,
            steps=result.steps,
            wall_seconds=round(seconds, 3),
            wall_finished=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            commit=self._commit,
        )

    def _plan(self, scene: Scene, weather: str) -> _Planned:
        session, _ = self._connected()
        chosen = preset(weather)
        digest = course_of(weather, None).digest() if is_weather_file(weather) else ""
        common = {
            "version": VERSION,
            "package_version": package_version(),
            "backend": session.engine.value,
            "look": session.look,
            "simulator_version": session.version,
            "map": map_identity(session.map),
            "town": town_name(session.map.name),
            "weather": weather_name(weather),
            "weather_digest": digest,
            "range_m": None if chosen.range_m is None else round(chosen.range_m, 1),
            "test": scene.test.name,
            "speed_kmh": scene.speed_kmh,
            "seed": self._options.seed,
        }
        done = self._store.done()
        todo = []
        for ready in self._arms:
            is_thermal = ready.detector.needs_image and input_kind(ready.arm.input).needs_thermal
            values = {
                **common,
                "arm": ready.arm.name,
                "fuser_label": ready.facts.label,
                "fuser_weights": ready.facts.weights,
                "detector": ready.detector.name,
                "detector_weights": ready.detector.weights_hash(),
                "is_privileged": ready.detector.is_privileged,
                "thermal": read_thermal(self._options.thermal).text if is_thermal else "",
                "thermal_look": THERMAL_LOOK if is_thermal else None,
            }
            values["identity"] = identity_of(values)
            if values["identity"] not in done:
                todo.append((ready, values))
        return _Planned(scene, todo)

    def _connected(self) -> tuple[Session, Straight]:
        """The session on the road; a server is started at first use."""
        if self._session is None or self._road is None:
            options = self._options
            town = options.town or DEFAULT_TOWNS.get(options.backend)
            spec = ServerSpec(
                backend=options.backend,
                host=options.host,
                port=options.port,
                town=town or TRACK_TOWN,
                maps=options.maps,
            )
            server = self._owned.enter_context(RunningServer(spec))
            address = Address(server.host, server.port)
            session = self._owned.enter_context(Session(address, delta_s=STEP_S))
            session.load(town or session.map.name)
            longest = max(scene.length_m for scene in self._scenes(options.weather[0]))
            self._road = longest_straight(session.map, longest)
            self._session = session
        return self._session, self._road
