"""CARLA's client on busy cores: drives, changes of town, and a call that would hang for ever."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest

from fusiondrive.errors import MissedTickError, SimulatorError
from fusiondrive.types import CameraSpec
from harness import watchdog
from harness.drive import Drive
from harness.env import CarlaDrivingEnv
from harness.session import Address, Session
from scenarios import traffic_manager
from scenarios.spec import EpisodeSpec

pytestmark = pytest.mark.server

TOWNS = ("Town02", "Town01")
BRAKE = np.array([0.0, 0.0, 1.0], np.float32)
CALLS = 30_000


@contextmanager
def busy_cores() -> Iterator[None]:
    """As many busy processes as there are cores."""
    command = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


@pytest.fixture
def session(carla_server) -> Iterator[Session]:
    with Session(Address(*carla_server("Town02"))) as session:
        session.load("Town02")
        yield session


def begin_manager(session: Session) -> int:
    from harness.probe import find_free_port

    port = find_free_port(1)
    session.owns_manager(port)
    traffic_manager.begin(session.client, port, seed=1)
    return port


def change_settings(session: Session, times: int) -> None:
    settings = session.world.get_settings()
    for _ in range(times):
        session._apply("change the settings", settings)


class Limits:
    """In place of a client: notes the time limits that it is given."""

    def __init__(self) -> None:
        self.given: list[float] = []

    def set_timeout(self, limit_s: float) -> None:
        self.given.append(limit_s)


def test_the_client_waits_for_lamps_as_long_as_for_a_first_tick(session, monkeypatch):
    """At night it asks for them from a thread of its own; a late answer aborts the process."""
    session.expect_slow_tick()
    limits = Limits()
    monkeypatch.setattr(session, "client", limits)
    session.tick()
    longest, usual = session.timeouts.first_tick_s, session.timeouts.tick_s
    assert limits.given == [longest, usual]
    session.tick()
    assert limits.given == [longest, usual]


@pytest.mark.slow
def test_a_call_that_the_manager_does_not_hear_is_freed(session, monkeypatch):
    """A change of settings with a live manager, which the harness never does, meets the race."""
    monkeypatch.setattr(watchdog, "FREE_S", 2.0)
    begin_manager(session)
    with busy_cores(), pytest.raises(SimulatorError, match="did not hear it"):
        change_settings(session, CALLS)  # met within some thousands
    begin_manager(session)  # the session is as good as new
    assert session.tick() < session.tick()


def drive(resets: int, steps: int) -> None:
    camera = CameraSpec(width=32, height=24)
    with closing(CarlaDrivingEnv(town=TOWNS[0], camera=camera)) as env:
        for number in range(resets):
            spec = EpisodeSpec(
                town=TOWNS[number // 2 % 2],
                route_id=f"{number % 25:02d}",
                weather="clear",
                input="rgb",
                fuser="none",
                policy="none",
                seed=number,
                traffic="3+2",
            )
            env.reset(seed=number, options={"spec": spec})
            for _ in range(steps):
                env.step(BRAKE)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_thousand_resets_and_changes_of_town_on_busy_cores():
    with busy_cores():
        drive(1000, steps=3)


def test_resets_and_a_change_of_town_come_to_their_end():
    drive(4, steps=2)


def test_ticks_beside_busy_cores_are_heard(session):
    """Without the wait for the manager's rest, about one in some thousands never returned."""
    begin_manager(session)
    with busy_cores():
        frames = [session.tick() for _ in range(1000)]
    assert frames == list(range(frames[0], frames[0] + 1000))


def test_a_set_up_that_missed_a_tick_is_begun_again(monkeypatch):
    spec = EpisodeSpec("Town02", "03", "clear", "rgb", "none", "none", 5, traffic="3+2")
    settle, tries = Drive._settle, []

    def misses_at_first(drive):
        settle(drive)
        tries.append(drive)
        if len(tries) == 1:
            raise MissedTickError("the Traffic Manager did not hear it")

    with closing(CarlaDrivingEnv(town="Town02", camera=CameraSpec(width=32, height=24))) as env:
        expected, _ = env.reset(options={"spec": spec})
        monkeypatch.setattr(Drive, "_settle", misses_at_first)
        seen, _ = env.reset(options={"spec": spec})
        assert len(env.simulation.session.world.get_actors().filter("walker.*")) == 2
    assert len(tries) == 2
    np.testing.assert_array_equal(seen["image"], expected["image"])
