"""Control that comes late: what was chosen for a frame acts when its latency has passed.

The client can hand over one control for a step of 0.1 s, which the server holds for all of its ten
physics steps, so a control that would come within a step is mixed with the one before, each by its
share of the step: the impulse over the step is that of the switch, to the millisecond. A control
that is later than the one of a newer frame never acts. Frames are not left out, however long one
takes: a computer that is slower than the camera is charged its delay, not its lower rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fusiondrive.timing import StageClock
from fusiondrive.types import Control
from harness.session import DELTA_S
from scenarios.latency import REAL

STEP_US = round(1e6 * DELTA_S)
CHARGED = ("policy", "fusion", "enhance")  # stages of the clock


class _Chosen(NamedTuple):
    """A control and when it begins to act, microseconds since the first frame."""

    at_us: int
    frame: int  # number of the step whose image it was chosen for
    control: Control


class ControlDelay:
    """Holds the controls of one episode back.

    `last_ms` is what was charged to the control that was chosen last, and `mean_ms` to all of them;
    None where nothing is.
    """

    def __init__(self, latency: str, clock: StageClock, held: Control | None = None) -> None:
        """Nothing was chosen yet.

        Args:
            latency: as `scenarios.latency.read_latency` gives it.
            clock: where fusion and policy count their time, for `real`.
            held: what acts until the first control does; the brake.
        """
        self._latency = latency
        self._clock = clock
        self._spent_s = self._charged_s()
        self._acting = _Chosen(0, -1, held or Control(brake=1.0))
        self._waiting: list[_Chosen] = []
        self._delays_ms: list[float] = []

    @property
    def last_ms(self) -> float | None:
        """Milliseconds charged to the last control."""
        return self._delays_ms[-1] if self._delays_ms else None

    @property
    def mean_ms(self) -> float | None:
        """Milliseconds charged to a control on average."""
        return sum(self._delays_ms) / len(self._delays_ms) if self._delays_ms else None

    def acting(self, chosen: Control) -> Control:
        """What acts in the next step, when this control was chosen for the last frame."""
        if not self._latency:
            return chosen
        frame = len(self._delays_ms)
        began_us = frame * STEP_US
        self._delays_ms.append(self._charge_ms())
        at_us = began_us + round(1000.0 * self._delays_ms[-1])
        self._waiting.append(_Chosen(at_us, frame, chosen))
        return _mixed(self._switches(began_us), began_us)

    def _charge_ms(self) -> float:
        if self._latency != REAL:
            return float(self._latency)
        before_s, self._spent_s = self._spent_s, self._charged_s()
        return 1000.0 * (self._spent_s - before_s)

    def _charged_s(self) -> float:
        return sum(self._clock.totals_s.get(name, 0.0) for name in CHARGED)

    def _switches(self, began_us: int) -> list[_Chosen]:
        """What acts at the step's beginning and what takes over in it, in order."""
        end_us = began_us + STEP_US
        due = sorted(item for item in self._waiting if item.at_us < end_us)
        self._waiting = [item for item in self._waiting if item.at_us >= end_us]
        found = [self._acting]
        for item in due:
            if item.frame > self._acting.frame:
                self._acting = item
                found.append(item)
        return found


def _mixed(switches: Sequence[_Chosen], began_us: int) -> Control:
    """The mean over a step of controls that take over from each other; the last one's gear."""
    starts = [max(item.at_us, began_us) for item in switches]
    ends = [*starts[1:], began_us + STEP_US]
    shares = [(end - start) / STEP_US for start, end in zip(starts, ends, strict=True)]
    parts = [(s, item.control) for s, item in zip(shares, switches, strict=True) if s > 0.0]
    if len(parts) == 1:
        return parts[0][1]
    last = parts[-1][1]
    return Control(
        throttle=sum(share * control.throttle for share, control in parts),
        steer=sum(share * control.steer for share, control in parts),
        brake=sum(share * control.brake for share, control in parts),
        reverse=last.reverse,
        hand_brake=last.hand_brake,
    )
