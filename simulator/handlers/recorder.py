"""Calls of the recorder and the replayer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulator.actors.models import Actor
from simulator.errors import ActorError
from simulator.handlers.actors import create
from simulator.handlers.method import Context, Method
from simulator.net.wire import Form
from simulator.quantities import finite, pose_of
from simulator.recorder import reports
from simulator.recorder.recording import Created, NoRecording, Recorder, open_recording
from simulator.recorder.replayer import Replayer, ReplayOptions
from simulator.recorder.state import RecorderState
from simulator.world.spawning import COLLISION

_ASIDE_M = 300.0  # above its place, where an actor is made that has no room there yet


def _path(state: RecorderState, name: str) -> Path:
    """Where a recording is: in the server's folder, or anywhere for clients of this machine.

    Clients that come over a network must not name files, for nobody asks who they are.
    """
    folder, path = state.folder, Path(name)
    if not name.strip() or "\0" in name:
        raise ActorError("expected the name of a recording, got an empty one")
    if path.is_absolute():
        if not state.takes_any_path:
            raise ActorError(f"expected a name below {folder}, got {name!r}")
        return path
    found = (folder / path).resolve()
    if not found.is_relative_to(folder.resolve()):
        raise ActorError(f"expected a name below {folder}, got {name!r}")
    return found


def _in_words(report: Callable[..., str]) -> Callable[..., str]:
    """Let the answer say that a file is missing, which is no error in CARLA."""

    @functools.wraps(report)
    def answer(context: Context, *args: Any) -> str:
        try:
            return report(context, *args)
        except NoRecording as err:
            return f"{err}\n"

    return answer


def start_recorder(context: Context, name: str, additional: bool = False) -> str:
    """Write everything that moves into a file from now on; returns its path."""
    path = _path(context.recorder, name)
    stop_recorder(context)
    episode = context.world.episode
    context.recorder.recorder = Recorder(path, episode, additional=bool(additional))
    return str(path)


def stop_recorder(context: Context) -> None:
    """End the recording, if there is one."""
    state = context.recorder
    if state.recorder is not None:
        state.recorder.close()
        state.recorder = None


@_in_words
def file_info(context: Context, name: str, show_all: bool) -> str:
    """What a recording holds."""
    path = _path(context.recorder, name)
    return reports.file_info(open_recording(path), show_all=bool(show_all))


@_in_words
def collisions(context: Context, name: str, first: int, second: int) -> str:
    """The contacts of a recording."""
    recording = open_recording(_path(context.recorder, name))
    return reports.collisions(recording, int(first) & 0xFF, int(second) & 0xFF)


@_in_words
def blocked(context: Context, name: str, least_s: float, least_m: float) -> str:
    """The vehicles of a recording that stood still."""
    recording = open_recording(_path(context.recorder, name))
    return reports.blocked(recording, *finite((least_s, least_m)))


@_in_words
def replay(
    context: Context, name: str, start_s: float, duration_s: float, follow_id: int,
    with_sensors: bool = False, offset: list[Any] | None = None,
) -> str:  # fmt: skip
    """Play a recording back in the running episode, which must be in the same town."""
    episode = context.world.episode
    recording = open_recording(_path(context.recorder, name))
    here = episode.map_name.removesuffix("_Opt")
    if recording.map_name.removesuffix("_Opt") != here:
        raise ActorError(
            f"{recording.path} was recorded in {recording.map_name}, but the world is {here}: "
            f"call client.load_world({recording.map_name!r}) first"
        )
    stop_replayer(context, keep=True)
    start, length = finite((start_s, duration_s))
    state = context.recorder
    options = ReplayOptions(
        start, length, int(follow_id), bool(with_sensors),
        pose_of(offset) if offset is not None else ReplayOptions().offset,
        state.ignores_hero, state.ignores_spectator,
    )  # fmt: skip

    def spawn(actor: Created, parent_id: int) -> Actor:
        return _spawn(context, actor, parent_id)

    state.replayer = Replayer(recording, episode, options, spawn, state.time_factor)
    return f"Replaying File: {recording.path}\nMap: {recording.map_name}"


def _spawn(context: Context, actor: Created, parent_id: int) -> Actor:
    """Make an actor even where another one stands: the recording will part them.

    As in CARLA it gets the id that it had, if no living actor has that.
    """
    uid = context.world.library[actor.blueprint].uid if _is_known(context, actor) else 0
    description = [uid, actor.blueprint, actor.attributes]
    pose = [list(actor.pose[:3]), list(actor.pose[3:])]
    try:
        return create(context, description, pose, parent_id, wanted_id=actor.actor_id)
    except ActorError as err:
        if str(err) != COLLISION:
            raise
        high = [[*actor.pose[:2], actor.pose.z + _ASIDE_M], pose[1]]
        return create(context, description, high, parent_id, wanted_id=actor.actor_id)


def _is_known(context: Context, actor: Created) -> bool:
    return actor.blueprint in context.world.library


def stop_replayer(context: Context, keep: bool = True) -> None:
    """End the replay, if there is one; its actors stay or go."""
    state = context.recorder
    if state.replayer is not None:
        state.replayer.stop(keep=bool(keep))
        state.replayer = None


def set_time_factor(context: Context, factor: float) -> None:
    """Set how fast replays run, 1 as recorded."""
    (value,) = finite([factor])
    state = context.recorder
    state.time_factor = max(value, 0.0)
    if state.replayer is not None:
        state.replayer.time_factor = state.time_factor


def set_ignore_hero(context: Context, on: bool) -> None:
    """Set whether replays leave out vehicles with the role name `hero`."""
    context.recorder.ignores_hero = bool(on)


def set_ignore_spectator(context: Context, on: bool) -> None:
    """Set whether replays leave the spectator where it is."""
    context.recorder.ignores_spectator = bool(on)


METHODS = {
    "start_recorder": Method(start_recorder),
    "stop_recorder": Method(stop_recorder, Form.VOID),
    "show_recorder_file_info": Method(file_info, is_locked=False),
    "show_recorder_collisions": Method(collisions, is_locked=False),
    "show_recorder_actors_blocked": Method(blocked, is_locked=False),
    "replay_file": Method(replay),
    "stop_replayer": Method(stop_replayer, Form.VOID),
    "set_replayer_time_factor": Method(set_time_factor, Form.VOID),
    "set_replayer_ignore_hero": Method(set_ignore_hero, Form.VOID),
    "set_replayer_ignore_spectator": Method(set_ignore_spectator, Form.VOID),
}
