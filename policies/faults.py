"""What the user's code did wrong, in one line that names its file; nothing is caught here."""

from __future__ import annotations

import inspect
import math
import re
import sysconfig
import traceback
from collections.abc import Iterable
from numbers import Number
from pathlib import Path
from types import FrameType, TracebackType
from typing import SupportsFloat, cast

from fusiondrive.errors import AgentError
from fusiondrive.types import Control

OURS = ("harness", "policies", "perceivers", "sensors", "scenarios", "results", "fusionproxy")
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")


def reason(error: BaseException) -> str:
    """Type, text and place of an exception, in one line that is the same in every run."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{_one_line(text)} ({place_of_trace(error.__traceback__)})"


def variable_hint(error: BaseException) -> str:
    """What to do about an environment variable that the user's code misses; mostly nothing."""
    frames = traceback.extract_tb(error.__traceback__)
    if not isinstance(error, KeyError) or not frames:
        return ""
    is_lookup = Path(frames[-1].filename).name in ("os.py", "<frozen os>")
    return f"; set the environment variable {error.args[0]}" if is_lookup else ""


def place_of_trace(trace: TracebackType | None) -> str:
    """The user's innermost line on the way to an exception."""
    return _place(traceback.extract_tb(trace))


def place_of_frame(frame: FrameType | None) -> str:
    """The user's innermost line of a call that goes on."""
    return _place(traceback.extract_stack(frame))


def place_of(function: object) -> str:
    """Where a function is written."""
    code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)  # type: ignore[arg-type]
    if code is None:
        return "no source"
    return f"{Path(code.co_filename).name}, line {code.co_firstlineno}, {code.co_name}"


def checked(control: object, function: object) -> Control:
    """A policy's answer, if the car can be driven with it, clipped to its range as CARLA does.

    Args:
        control: what was answered.
        function: who answered it, for the message.

    Raises:
        AgentError: it is no `Control`, or a value is no finite number.
    """
    if not isinstance(control, Control):
        raise AgentError(
            f"answered {_kind(control)}, expected a fusiondrive.types.Control "
            f"({place_of(function)})"
        )
    found = {name: getattr(control, name) for name in ("throttle", "steer", "brake")}
    throttle, steer, brake = finite(found, function)
    return Control(
        throttle=min(max(throttle, 0.0), 1.0),
        steer=min(max(steer, -1.0), 1.0),
        brake=min(max(brake, 0.0), 1.0),
        reverse=bool(control.reverse),
        hand_brake=bool(control.hand_brake),
    )


def checked_speed(speed_mps: object, function: object) -> float | None:
    """A policy's word on the speed that it perceives, if it is a number or None.

    Args:
        speed_mps: what was answered.
        function: of whom, for the message.

    Raises:
        AgentError: it is something else, NaN or infinite.
    """
    if speed_mps is not None and not _is_finite(speed_mps):
        raise AgentError(
            f"perceived_mps answered {_one_line(repr(speed_mps))[:60]}, expected metres per second "
            f"or None ({place_of(function)})"
        )
    return None if speed_mps is None else float(cast(SupportsFloat, speed_mps))


def finite(found: dict[str, object], function: object) -> tuple[float, float, float]:
    """Throttle, steer and brake as numbers.

    Raises:
        AgentError: one is missing, no number, NaN or infinite.
    """
    for name, value in found.items():
        if not _is_finite(value):
            raise AgentError(
                f"answered {name} {_one_line(repr(value))[:60]}, expected a finite number "
                f"({place_of(function)})"
            )
    throttle, steer, brake = (float(cast(SupportsFloat, value)) for value in found.values())
    return throttle, steer, brake


def _is_finite(value: object) -> bool:
    if not isinstance(value, Number) and not hasattr(value, "__float__"):
        return False
    try:
        return math.isfinite(float(cast(SupportsFloat, value)))
    except (TypeError, ValueError, OverflowError, RuntimeError):  # such as a tensor of many values
        return False


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _place(frames: Iterable[traceback.FrameSummary]) -> str:
    known = [frame for frame in frames if not frame.filename.startswith("<")]
    foreign = [frame for frame in known if not _is_below(frame.filename, _our_folders())]
    users = [frame for frame in foreign if not _is_below(frame.filename, _library_folders())]
    # A policy that is installed as a package is among the libraries: its first line is its own.
    chosen = users[-1:] or foreign[:1] or known[-1:]
    if not chosen:
        return "no source"
    frame = chosen[0]
    return f"{Path(frame.filename).name}, line {frame.lineno}, {frame.name}"


def _is_below(file: str, folders: Iterable[Path]) -> bool:
    path = Path(file).absolute()
    return any(folder in path.parents for folder in folders)


def _our_folders() -> list[Path]:
    root = Path(__file__).absolute().parents[1]
    return [root / name for name in OURS]


def _library_folders() -> list[Path]:
    paths = sysconfig.get_paths()
    return [Path(paths[name]).absolute() for name in ("stdlib", "platstdlib", "purelib", "platlib")]


def _one_line(text: str) -> str:
    """Without line breaks, and without addresses, which differ between equal runs."""
    return ADDRESS.sub("0x...", " ".join(text.split()))
