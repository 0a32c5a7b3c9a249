"""What `show_recorder_*` say about a recording, laid out as CARLA's reports are."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.errors import ActorError
from simulator.recorder.recording import Created, Frame, Recording

# CARLA's letters: hero, vehicle, walker, traffic light, other, any.
_LETTERS = "hvwtoa"


def file_info(recording: Recording, *, show_all: bool) -> str:
    """Each actor that was made or destroyed; with `show_all` a line for each frame."""
    lines, frames, last_s = _head(recording), 0, 0.0
    for number, frame in enumerate(recording.frames(), 1):
        events = [
            f" Create {one.actor_id}: {one.blueprint} ({one.parent_id}) at "
            f"({one.pose.x:g}, {one.pose.y:g}, {one.pose.z:g})"
            for one in frame.created
        ]
        events += [f" Destroy {gone}" for gone in frame.destroyed]
        events += [f" Collision {a} with {b}" for a, b in frame.contacts]
        if events or show_all:
            lines += [f"Frame {number} at {frame.time_s:g} seconds", *events]
        if show_all:
            lines.append(f" Positions: {len(frame.rows)}")
        frames, last_s = number, frame.time_s
    return "\n".join([*lines, *_tail(frames, last_s)])


def collisions(recording: Recording, first: int, second: int) -> str:
    """Contacts between actors of two kinds, each when it began.

    Args:
        recording: the file.
        first: code of one of `hvwtoa`.
        second: the same.
    """
    for code in (first, second):
        if chr(code) not in _LETTERS:
            raise ActorError(f"unknown kind of actor {chr(code)!r}; known: {', '.join(_LETTERS)}")
    lines = [*_head(recording), f"{'Time':>8}  Types {'Id':>6} {'Actor 1':<35} {'Id':>6} Actor 2"]
    frames, last_s, before = 0, 0.0, set[tuple[int, int]]()
    for frame, names in _with_names(recording):
        now = set(frame.contacts)
        for a, b in sorted(now - before):
            kinds = _kind(names.get(a)), _kind(names.get(b))
            if _fits(kinds[0], chr(first)) and _fits(kinds[1], chr(second)):
                one, other = (names[i].blueprint if i in names else "scenery" for i in (a, b))
                types = f"{kinds[0]} {kinds[1]}"
                lines.append(f"{frame.time_s:8.1f}  {types:<5} {a:6} {one:<35} {b:6} {other}")
        before, frames, last_s = now, frames + 1, frame.time_s
    return "\n".join([*lines, *_tail(frames, last_s)])


def blocked(recording: Recording, least_s: float, least_m: float) -> str:
    """Vehicles that did not move `least_m` within `least_s`, the longest wait first."""
    spots: dict[int, tuple[float, float, float]] = {}  # id -> since when, x, y
    found: list[tuple[float, float, int, str]] = []
    frames, last_s = 0, 0.0
    known: dict[int, Created] = {}

    def end(actor_id: int, now_s: float) -> None:
        since, _, _ = spots.pop(actor_id)
        if now_s - since >= least_s:
            found.append((now_s - since, since, actor_id, known[actor_id].blueprint))

    for frame, names in _with_names(recording):
        known = names
        for row in frame.rows:
            if _kind(names.get(row.actor_id)) not in "hv":
                continue
            spot = spots.get(row.actor_id)
            away = spot is not None and (
                (row.pose.x - spot[1]) ** 2 + (row.pose.y - spot[2]) ** 2 > least_m * least_m
            )
            if away:
                end(row.actor_id, frame.time_s)
            if away or spot is None:
                spots[row.actor_id] = (frame.time_s, row.pose.x, row.pose.y)
        for gone in set(frame.destroyed) & set(spots):
            end(gone, frame.time_s)
        frames, last_s = frames + 1, frame.time_s
    for actor_id in list(spots):
        end(actor_id, last_s)
    lines = [*_head(recording), f"{'Time':>8} {'Id':>6} {'Actor':<35} {'Duration':>10}"]
    for wait_s, since, actor_id, name in sorted(found, key=lambda row: (-row[0], row[1], row[2])):
        lines.append(f"{since:8.1f} {actor_id:6} {name:<35} {wait_s:10.1f}")
    return "\n".join([*lines, *_tail(frames, last_s)])


def _with_names(recording: Recording) -> Iterator[tuple[Frame, dict[int, Created]]]:
    """Frames, each with all actors that have been there so far."""
    names: dict[int, Created] = {}
    for frame in recording.frames():
        names.update({one.actor_id: one for one in frame.created})
        yield frame, names


def _kind(actor: Created | None) -> str:
    if actor is None:
        return "o"
    if actor.blueprint.startswith("vehicle."):
        return "h" if actor.role == "hero" else "v"
    return "w" if actor.blueprint.startswith("walker.") else "o"


def _fits(kind: str, wanted: str) -> bool:
    return wanted in (kind, "a") or (wanted == "v" and kind == "h")


def _head(recording: Recording) -> list[str]:
    return ["Version: 1", f"Map: {recording.map_name}"]


def _tail(frames: int, last_s: float) -> list[str]:
    return ["", f"Frames: {frames}", f"Duration: {last_s:g} seconds"]
