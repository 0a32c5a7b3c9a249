"""Rows of `results` from what the runner knows of an episode."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone

from harness.messages import Driven
from harness.planning import PlannedEpisode
from harness.route_facts import range_in
from harness.scoring import Outcome
from results.columns import ROW_DIGITS, measured
from results.identity import Identity
from results.row import EpisodeRow

ERROR_TEXT_LIMIT = 500


@dataclass(frozen=True)
class RowMaker:
    """Makes the rows of a run; the same of every engine, wall-clock columns aside."""

    commit: str  # of the source that drives
    benchmark: str = ""  # label of the frozen benchmark that the run is

    def driven(
        self,
        episode: PlannedEpisode,
        driven: Driven,
        *,
        attempts: int,
        server_rss_mb: float | None,
    ) -> EpisodeRow:
        """The row of an episode that came to its end, or as far as its agent brought it."""
        row = driven_row(
            episode.identity,
            driven,
            route_length_m=episode.route.length_m,
            fuser_label=episode.fuser_label,
            attempts=attempts,
            server_rss_mb=server_rss_mb,
            finished=_now(),
        )
        return self._signed(row, episode)

    def broken(self, episode: PlannedEpisode, error: str, *, attempts: int) -> EpisodeRow:
        """The row of an episode that the machine broke for good."""
        row = error_row(
            episode.identity,
            error,
            route_length_m=episode.route.length_m,
            fuser_label=episode.fuser_label,
            attempts=attempts,
            finished=_now(),
        )
        return self._signed(row, episode)

    def _signed(self, row: EpisodeRow, episode: PlannedEpisode) -> EpisodeRow:
        return replace(
            row,
            arm=episode.spec.arm,
            unserved=episode.route.unserved_text,
            route_notes="; ".join(episode.route.notes),
            commit=self.commit,
            benchmark=self.benchmark,
            range_m=range_in(episode.spec.weather, episode.route),
        )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


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
        own=score.own,
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
