"""Puts a report together: everything that is said is made here, the page only sets it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fusiondrive.errors import ConfigError
from harness.report import places, plots
from harness.report.answer import make_answer, scene_text
from harness.report.browser import page_data
from harness.report.cases import key_of, make_cases
from harness.report.clips import Clip, chosen, make_clips
from harness.report.fitting import Fitted, fitted
from harness.report.page import LIMIT_BYTES, json_text, render
from harness.report.palette import in_order, style_of
from harness.report.plots import Names
from harness.report.runs import Material, gather
from harness.report.tables import NOTE, make_tables
from harness.report.visibility import success_by_range
from results.cells import Setting, labels_of, make_cells
from results.gains import compare
from results.row import EpisodeRow
from results.table import result_table

LIMITS = (
    "Drives are of a simulator. Rows of the embedded server, of Unreal and of different weights "
    "stand in cells of their own and are never put together.",
    "Thermal images are made from class ids and depth (privileged). What is shown with them bounds "
    "what a thermal camera could do.",
    "A gain over rgb is not one of infrared before a control without infrared stands beside it: a "
    "twin, an enhancement, or the same network with its infrared blanked.",
    "The list of failures shows what differed. How many pairs are alike is said by the tables.",
    "Where two drives first differ is not yet why one of them failed.",
)
# Stand in every cell's name.
NAMED = ("town", "weather", "traffic", "hazards", "speed_kmh", "latency")
NOTE_BYTES = 400  # for the note on what does not fit
FEW_CELLS = 3  # with more of them, what is long is folded


@dataclass(frozen=True)
class ReportConfig:
    """What a report is asked to be."""

    runs: tuple[Path, ...]
    clips: int = 20  # failures with clips, at most
    compare: tuple[str, str] | None = None  # arms that the first sentence is on


def make_report(config: ReportConfig) -> str:
    """The report as HTML.

    Raises:
        ConfigError: a run cannot be read, nothing was driven, or the page is too large.
    """
    material = gather(config.runs)
    return _Report(material, config).html()


class _Report:
    """The parts of a report that others are made of."""

    def __init__(self, material: Material, config: ReportConfig) -> None:
        self._material, self._config = material, config
        self._cells = make_cells(material.rows)
        self._found = compare(material.rows)
        self._names = Names(
            labels_of(cell.input_setting for cell in self._cells),
            setting_names([cell.setting for cell in self._cells]),
        )
        self._ids = {name: f"c{number}" for number, name in enumerate(self._names.settings)}
        self._aligned = {
            identity: drive.traced.path
            for identity, drive in material.drives.items()
            if drive.traced is not None
        }
        self._answer = make_answer(
            material.rows, self._cells, self._found, self._names.arms, config.compare
        )
        item = self._answer.comparison
        self._first = None if item is None else key_of(item)
        cases = make_cases(material, self._found, self._aligned)
        self._cases = sorted(cases, key=lambda case: case.key != self._first)

    def html(self) -> str:
        """The page, with as many clips and as much of the traces as fit.

        Raises:
            ConfigError: it is too large without any.
        """
        values, clips = self._values(), self._clips()
        bare = self._render(values, Fitted())
        room_bytes = LIMIT_BYTES - NOTE_BYTES - len(bare.encode())
        if room_bytes < 0:
            raise ConfigError(
                f"the report would have {(LIMIT_BYTES - room_bytes) / 1e6:.0f} MB without a clip "
                f"or a trace, {LIMIT_BYTES / 1e6:.0f} are allowed; report on fewer runs at once"
            )
        shown = fitted(self._cases, self._aligned, clips, room_bytes)
        return self._render(values, shown)

    def _render(self, values: Mapping[str, Any], shown: Fitted) -> str:
        kinds = {key_of(item): item for item in self._found}
        data = page_data(self._cases, kinds, self._aligned, shown, self._names, self._ids)
        return render("report.html", {**values, "room": shown.note, "data": json_text(data)})

    def _values(self) -> dict[str, Any]:
        material, names = self._material, self._names
        ends = places.ends_of(material, self._aligned, names.arms)
        cases = self._cases_of_drives()
        args = (material, ends, cases, self._ids)
        strips, strip_axis = places.strips(*args)
        maps = places.town_maps(material, self._aligned, ends, cases, self._ids)
        return {
            "title": f"Report: {', '.join(_run_names(self._config.runs))}",
            "runs": _run_names(self._config.runs),
            "answer": self._answer,
            "facts": self._facts(),
            "tables": tuple(make_tables(self._cells, self._found, names)),
            "notes": (NOTE, *result_table(material.rows).notes[1:], *material.unread),
            "figures": self._figures(),
            "legend": [(names.arms[seen], style_of(seen)) for seen in in_order(names.arms)],
            "cells": [(self._ids[setting], name) for setting, name in names.settings.items()],
            "is_long": len(names.settings) > FEW_CELLS,
            "maps": maps,
            "strips": [
                {
                    "cell": self._ids[strip.setting],
                    "title": names.settings[strip.setting],
                    "label": strip.label,
                    "picture": strip.picture,
                }
                for strip in strips
            ],
            "strip_axis": strip_axis,
            "limits": LIMITS,
        }

    def _figures(self) -> list[plots.Figure]:
        material, cells, names = self._material, self._cells, self._names
        curves = success_by_range(material, cells, names)
        found = [
            plots.success(cells, names),
            *(() if curves is None else (curves,)),
            plots.gains(self._found, names),
            plots.infractions(material, cells, names),
            plots.time_to_collision(material, cells, names),
            plots.latency(material, cells, names),
        ]
        return [item for item in found if item.panels or item.id in ("ttc", "latency")]

    def _facts(self) -> list[tuple[str, str]]:
        rows = self._material.rows
        days = sorted(row.wall_finished[:10] for row in rows if row.wall_finished)
        errors = sum(not row.is_driven for row in rows)
        drives = f"{len(rows) - errors}" + (f" and {errors} simulator errors" if errors else "")
        facts = [
            ("drives", drives),
            ("routes", str(len({(row.town, row.map, row.route_id) for row in rows}))),
            ("arms", str(len({cell.input_setting for cell in self._cells}))),
            ("policy", _listed(f"{row.policy} {row.policy_weights}" for row in rows)),
            ("server", _listed(_server(row) for row in rows)),
            ("source", _listed(row.commit for row in rows)),
            ("frozen benchmark", _benchmark(rows)),
            ("driven", " to ".join(dict.fromkeys((days[0], days[-1]))) if days else ""),
        ]
        return [(name, text) for name, text in facts if text]

    def _cases_of_drives(self) -> dict[str, str]:
        """The first case of each drive; those of the first sentence come before others."""
        found: dict[str, str] = {}
        for case in self._cases:
            for side in (case.first, case.second):
                found.setdefault(side.row.identity, case.id)
        return found

    def _clips(self) -> list[Clip]:
        picked = chosen(self._cases, self._config.clips, self._first)
        cases = tqdm(picked, unit="failure", desc="clips", disable=None)
        return [clip for case in cases for clip in make_clips(case)]


def setting_names(settings: Sequence[Setting]) -> dict[Setting, str]:
    """How a report calls each setting: town, weather, scene, and what else tells them apart."""
    names = {item: f"{item.town}, {item.weather}, {scene_text(item)}" for item in settings}
    for field in Setting._fields:
        values = {getattr(item, field) for item in names}
        if len(values) > 1 and field not in NAMED and len(set(names.values())) < len(names):
            names = {item: f"{name}, {getattr(item, field)}" for item, name in names.items()}
    return names


def _run_names(runs: Sequence[Path]) -> list[str]:
    """Runs by their last names; whole paths say where they lie on a machine, and nothing more."""
    return [path.resolve().name if path.is_dir() else path.stem for path in runs]


def _server(row: EpisodeRow) -> str:
    look = "" if row.look is None else f", look {row.look}"
    return f"{row.backend}{look}"


def _benchmark(rows: Sequence[EpisodeRow]) -> str:
    """The frozen benchmark that rows carry, with numbers where not all of them are of one."""
    counts = Counter(row.benchmark for row in rows)
    if len(counts) == 1:
        return next(iter(counts))
    named = {name or "no benchmark": count for name, count in counts.items()}
    return ", ".join(f"{name} ({count} drives)" for name, count in named.items())


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(text for text in texts if text))
