"""What trainers share: steps down a gradient, rate, clock, average of the weights, state file."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from fusiondrive.files import whole_file
from fusionproxy.errors import FusionError, missing_extra

try:
    import torch
    from torch import Tensor, nn
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
except ModuleNotFoundError as err:
    raise missing_extra(err) from err

ENDLESS = 10**9  # steps, where the clock ends a run


def share_done(step: int, steps: int, seconds: float, minutes: float | None) -> float:
    """Share of a run that is behind, 0 to 1, by steps or by the clock; whichever is more."""
    by_clock = 0.0 if minutes is None else seconds / (60.0 * minutes)
    return min(max(step / steps, by_clock), 1.0)


def rate_factor(step: int, warmup_steps: int, done: float, least: float = 0.01) -> float:
    """Learning-rate multiplier: linear warm-up, then cosine decay to `least`."""
    warm = min((step + 1) / warmup_steps, 1.0)
    return warm * (least + (1.0 - least) * 0.5 * (1.0 + math.cos(math.pi * done)))


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """The moving average of a network's weights and statistics; `module` holds it.

    It follows faster in the first steps: of the n-th update it keeps (1 + n) / (10 + n), and
    `decay` at most.
    """
    average = AveragedModel(network, multi_avg_fn=_warmed_up(decay), use_buffers=True)
    average.n_averaged.fill_(1)  # the first weights count: without, the first update takes all
    return average.eval()


def restore_average(average: AveragedModel, weights: dict[str, Tensor], step: int) -> None:
    """Go on from the averaged weights after a number of steps."""
    average.module.load_state_dict(weights)
    average.n_averaged.fill_(step + 1)


def _warmed_up(decay: float) -> Callable[[Any, Any, Any], None]:
    def update(slow: Sequence[Tensor], fast: Sequence[Tensor], count: Tensor | int) -> None:
        if slow[0].is_floating_point():
            keep = min(decay, (1 + int(count)) / (10 + int(count)))
            get_ema_multi_avg_fn(keep)(slow, fast, count)  # type: ignore[no-untyped-call]
        else:  # counters have no mean
            for mine, theirs in zip(slow, fast, strict=True):
                mine.copy_(theirs)

    return update


class Settings(Protocol):
    """What the configuration of every run has."""

    @property
    def steps(self) -> int:
        """Length of the run."""

    @property
    def minutes(self) -> float | None:
        """The same by the clock; whichever ends first."""

    @property
    def learning_rate(self) -> float:
        """At its highest."""

    @property
    def weight_decay(self) -> float:
        """As AdamW takes it."""

    @property
    def warmup_steps(self) -> int:
        """Until the highest learning rate."""

    @property
    def ema(self) -> float:
        """Decay of the weights' average."""

    @property
    def check_every(self) -> int:
        """Steps."""


S = TypeVar("S", bound=Settings)


class Descent(Generic[S]):
    """A network on its way down: weights, their average, optimizer, steps and seconds so far."""

    def __init__(self, config: S, network: nn.Module, beside: Iterable[nn.Parameter] = ()) -> None:
        """Begin.

        Args:
            config: settings of the run.
            network: what is trained; its weights move into the order that CPUs like best.
            beside: parameters that are trained with it.
        """
        self.config = config
        self.ema = averaged(network, config.ema)
        network.to(memory_format=torch.channels_last)
        self._network = network
        self.optimizer = torch.optim.AdamW(
            [*network.parameters(), *beside],
            config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self.step = 0
        self.seconds = 0.0

    @property
    def done(self) -> float:
        """Share of the run that is behind, 0 to 1, by steps or by the clock."""
        config = self.config
        return share_done(self.step, config.steps, self.seconds, config.minutes)

    def set_rate(self) -> None:
        """Choose the learning rate of the next step."""
        factor = rate_factor(self.step, self.config.warmup_steps, self.done)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * factor

    def descend(self, loss: Tensor) -> None:
        """One step down the gradient of a loss; the average follows."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        self.ema.update_parameters(self._network)

    def run_to_the_end(
        self,
        advance: Callable[[], float],
        tell: Callable[[float], None],
        check: Callable[[float], None],
        inertia: float,
    ) -> None:
        """Take step after step.

        Args:
            advance: takes one and returns its loss.
            tell: shows progress after each; is given the smoothed loss.
            check: saves and measures every `check_every` steps and at the end; the same.
            inertia: of the smoothed loss.
        """
        smooth = math.nan
        while self.done < 1.0:
            started = time.perf_counter()
            loss = advance()
            self.seconds += time.perf_counter() - started
            smooth = loss if math.isnan(smooth) else inertia * smooth + (1.0 - inertia) * loss
            tell(smooth)
            if self.step % self.config.check_every == 0 or self.done >= 1.0:
                check(smooth)

    def show_progress(self, smooth: float, speed: str) -> None:
        """Rewrite the one line of progress."""
        left = self.seconds * (1.0 / self.done - 1.0) / 60
        line = f"step {self.step} loss {smooth:.4f}, {speed}, {left:.1f} min left "
        print(f"\r{line}", end="", file=sys.stderr, flush=True)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state file that appears whole or not at all.

    Raises:
        FusionError: the disk is full or cannot be written.
    """
    with whole_file(path, RuntimeError) as partial:  # torch's writer raises RuntimeError
        torch.save(state, partial)


def load_state(
    path: Path, config: Any, device: str = "cpu", *, may_differ: Collection[str] = ()
) -> dict[str, Any]:
    """Read a state file.

    Args:
        path: the file.
        config: settings of the run that goes on; by name where some may differ.
        device: where to put the tensors.
        may_differ: names of settings that a run may change on its way, such as its length.

    Raises:
        FusionError: it is broken, or was made with other settings than `config`.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        found = state["config"]
    except Exception as err:  # torch raises of many kinds for broken files
        raise FusionError(f"{path} is broken ({err}); start anew in another --out") from err
    if may_differ:
        found = {**found, **{name: config[name] for name in may_differ}}
    if found != config:
        raise FusionError(f"{path} was made with other settings: {found}")
    return state
