"""Checks of a running server through the official client; the town that is loaded stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import carla
import numpy as np

from fusiondrive.errors import FusionDriveError, SimulatorError
from fusiondrive.types import CameraSpec
from harness.doctor.finding import Finding
from harness.probe import check_version
from harness.session import DELTA_S, Address, Session
from scenarios.route_files import map_identity
from scenarios.route_xml import town_name
from sensors.rig import DEPTH, RGB, TAGS, FrameQueue, pixels, remove_cameras, spawn_camera, take_all

CONNECT_S = 5.0
FRAME_S = 120.0  # the first one may have to be compiled for
APART_M = 100.0
ABOVE_M = 3.0
START = "start CARLA 0.9.16 or `python -m simulator` there; see docs/real-carla.md"


def examine(address: Address) -> Iterator[Finding]:
    """All checks of a server, in the order in which they build on each other.

    What fails ends them. The server's settings are as before at the end.
    """
    try:
        version = check_version(address.host, address.port, CONNECT_S)
    except FusionDriveError as err:
        yield Finding("server", False, str(err), START)
        return
    try:
        with Session(address) as session:
            look = "" if session.look is None else f", look {session.look}"
            yield Finding("server", True, f"CARLA {version}, {session.engine.value}{look}")
            yield from _in_session(session)
    except (FusionDriveError, RuntimeError) as err:
        yield Finding("session", False, str(err), "start the server anew")


def _in_session(session: Session) -> Iterator[Finding]:
    yield versions(session)
    town = town_name(session.map.name)
    session.load(town)
    yield world_map(session, town)
    yield ticks(session)
    yield cameras(session)
    yield gnss(session)


def versions(session: Session) -> Finding:
    """Client and server are of one version."""
    ours, theirs = session.client.get_client_version(), session.client.get_server_version()
    advice = "" if ours == theirs else f"pip install carla=={theirs}, or start a server {ours}"
    return Finding("versions", ours == theirs, f"client {ours}, server {theirs}", advice)


def world_map(session: Session, town: str) -> Finding:
    """The loaded map has places for cars."""
    count = len(session.map.get_spawn_points())
    text = f"{town}, {map_identity(session.map)}, {count} places for cars"
    return Finding("map", count > 0, text, "" if count else "load another town")


def ticks(session: Session) -> Finding:
    """Synchronous ticks advance the world by one control step each, frame by frame."""
    frames = [session.tick() for _ in range(3)]
    first = session.snapshot(frames[-1]).timestamp
    frames.append(session.tick())
    passed_s = session.snapshot(frames[-1]).timestamp.elapsed_seconds - first.elapsed_seconds
    is_ok = abs(passed_s - DELTA_S) < 1e-6 and np.diff(frames).tolist() == [1, 1, 1]
    text = f"frames {frames[0]} to {frames[-1]}, {passed_s:.3f} s a tick"
    advice = f"expected {DELTA_S} s a tick: let no other client tick this server"
    return Finding("ticks", is_ok, text, "" if is_ok else advice)


def cameras(session: Session) -> Finding:
    """Visible, class and depth images of one frame arrive, and show something."""
    camera, place = CameraSpec(), _above(session)
    spawned: list[carla.Actor] = []
    queues: dict[str, FrameQueue] = {}
    with ExitStack() as owned:
        owned.callback(remove_cameras, spawned)
        for kind in (RGB, TAGS, DEPTH):
            actor, queues[kind] = spawn_camera(session.world, kind, camera, place)
            spawned.append(actor)
        session.expect_slow_tick()
        images = take_all(queues, session.tick(), FRAME_S)
    return seen(pixels(images[RGB]), list(images))


def seen(image: np.ndarray, kinds: Sequence[str]) -> Finding:
    """What a visible image says, (H, W, 4) BGRA.

    Args:
        image: of the visible camera.
        kinds: of cameras whose images arrived.
    """
    text = f"{' '.join(kinds)} of one frame, {image.shape[1]}x{image.shape[0]}"
    if float(image[:, :, :3].std()) == 0.0:
        advice = "the picture is of one colour: look at the server's log for what draws it"
        return Finding("cameras", False, text, advice)
    return Finding("cameras", True, text)


def gnss(session: Session) -> Finding:
    """GNSS says where things are as 0.9.16 does: its latitude grows with y, to the south."""
    north, inboxes = _above(session), list[FrameQueue]()
    south = carla.Transform(north.location + carla.Location(y=APART_M))
    spawned: list[carla.Actor] = []
    with ExitStack() as owned:
        owned.callback(remove_cameras, spawned)
        blueprint = session.world.get_blueprint_library().find("sensor.other.gnss")
        for place in (north, south):
            inbox = FrameQueue("gnss")
            actor = session.world.spawn_actor(blueprint, place)
            spawned.append(actor)
            actor.listen(inbox.put)
            inboxes.append(inbox)
        frame = session.tick()
        first, second = (float(item.take(frame, FRAME_S).latitude) for item in inboxes)
    return latitudes(first, second)


def latitudes(at_y: float, further: float) -> Finding:
    """What two latitudes say of the sign, degrees.

    Args:
        at_y: of some place.
        further: of the place that has `APART_M` more of y.
    """
    if further > at_y:
        return Finding("gnss", True, "latitude grows with y, as of CARLA 0.9.16")
    return Finding(
        "gnss", False,
        f"latitude {at_y:.6f}, and {further:.6f} with {APART_M:g} m more of y: expected it to grow",
        "this is not how CARLA 0.9.16 counts, and agents of the Leaderboard would turn to the "
        "wrong side: start a server of 0.9.16",
    )  # fmt: skip


def _above(session: Session) -> carla.Transform:
    """Some metres above the first place for cars, looking along the road."""
    places = session.map.get_spawn_points()
    if not places:
        raise SimulatorError("the map has no place for cars")
    place = places[0]
    location = place.location + carla.Location(z=ABOVE_M)
    return carla.Transform(location, place.rotation)
