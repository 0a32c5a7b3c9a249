"""Rows of `results` from what the runner knows of an episode."""

from __future__ import annotations

from dataclasses import asdict

from harness.messages import Driven
from harness.scoring import Outcome
from results.columns import ROW_DIGITS, measured
from results.identity import Identity
from results.row import EpisodeRow

ERROR_TEXT_LIMIT = 500


def driven_row(
    identity: Identity,
    driven: Driven,
    *,
    route_length_m: float,
    fuser_label: str,
    attempts: int,
    server_rss_mb: float | None,
    finished: str,
    kind: type[EpisodeRow] = EpisodeRow,
) -> EpisodeRow:
    """The row of an episode that came to its end, or as far as its agent brought it."""
    score = driven.score
    return kind(
        identity=identity.digest(),
        **asdict(identity),
        route_length_m=round(route_length_m, ROW_DIGITS),
        fuser_label=fuser_label,
        outcome=score.outcome.value,
        **measured(kind, score),
        steps=driven.steps,
        vehicles=driven.vehicles,
        walkers=driven.walkers,
        error=driven.error[:ERROR_TEXT_LIMIT],
        wall_attempts=attempts,
        wall_seconds=round(driven.wall_seconds, 3),
        wall_steps_per_s=round(driven.steps / max(driven.wall_seconds, 1e-9), 2),
        wall_client_rss_mb=_rounded(driven.rss_mb),
        wall_server_rss_mb=_rounded(server_rss_mb),
        wall_finished=finished,
    )


def error_row(
    identity: Identity,
    error: str,
    *,
    route_length_m: float,
    fuser_label: str,
    attempts: int,
    finished: str,
) -> EpisodeRow:
    """The row of an episode that the machine broke for good; it says nothing about driving."""
    return EpisodeRow(
        identity=identity.digest(),
        **asdict(identity),
        route_length_m=round(route_length_m, ROW_DIGITS),
        fuser_label=fuser_label,
        outcome=Outcome.SIM_ERROR.value,
        error=error[:ERROR_TEXT_LIMIT],
        wall_attempts=attempts,
        wall_finished=finished,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
