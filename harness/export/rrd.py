"""Rerun's format: pictures, curves and a log on one timeline of simulated time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fusiondrive.errors import ConfigError
from harness.export.moment import MAP, Moment

APPLICATION = "fusiondrive"
CAMERA, LOG, ABOUT = "camera", "events", "about"
# Curves by the plot in which they stand; names are those of a trace's columns.
CURVES = {
    "control": ("throttle", "steer", "brake"),
    "speed": ("forward_speed_mps", "perceived_mps"),
    "route": ("completion", "deviation_m"),
    "milliseconds": ("wall_step_ms", "wall_policy_ms", "wall_fusion_ms", "wall_enhance_ms"),
}


class RrdWriter:
    """Writes an .rrd file, with a layout of its views."""

    def __init__(self, path: Path, about: dict[str, str]) -> None:
        """Begin a file.

        Raises:
            ConfigError: rerun-sdk is not installed.
        """
        self._rr = _rerun()
        identity = about.get("identity", APPLICATION)
        self._stream = self._rr.RecordingStream(APPLICATION, recording_id=identity)
        self._stream.save(str(path))
        self._stream.send_recording_name(f"{about.get('arm', '')} {identity}".strip())
        lines = "\n".join(f"- {name}: {value}" for name, value in about.items())
        document = self._rr.TextDocument(lines, media_type="text/markdown")
        self._stream.log(ABOUT, document, static=True)
        self._has_layout = False

    def write(self, moment: Moment) -> None:
        """Add a step."""
        rr, stream, row = self._rr, self._stream, moment.row
        if not self._has_layout:
            self._has_layout = True
            stream.send_blueprint(self._layout(list(moment.pictures)))
        stream.set_time("time", duration=row.time_s)
        stream.set_time("step", sequence=row.step)
        for name, data in moment.pictures.items():
            entity = name if name == MAP else f"{CAMERA}/{name}"
            stream.log(entity, rr.EncodedImage(contents=data, media_type="image/jpeg"))
        for plot, names in CURVES.items():
            for name in names:
                value = getattr(row, name)
                if value is not None:
                    stream.log(f"{plot}/{name}", rr.Scalars(float(value)))
        for event in json.loads(row.events):
            stream.log(LOG, rr.TextLog(event, level="WARN"))

    def finish(self) -> None:
        """Make the file whole."""
        self._stream.flush()
        self._stream.disconnect()

    def _layout(self, pictures: list[str]) -> Any:
        blueprint = self._rr.blueprint
        images = [
            blueprint.Spatial2DView(origin=name if name == MAP else f"{CAMERA}/{name}", name=name)
            for name in pictures
        ]
        plots = [blueprint.TimeSeriesView(origin=name, name=name) for name in CURVES]
        texts = [
            blueprint.TextLogView(origin=LOG, name=LOG),
            blueprint.TextDocumentView(origin=ABOUT, name=ABOUT),
        ]
        return blueprint.Blueprint(
            blueprint.Horizontal(
                blueprint.Grid(*images),
                blueprint.Vertical(*plots, blueprint.Tabs(*texts)),
                column_shares=[3, 2],
            ),
        )


def _rerun() -> Any:
    try:
        import rerun
    except ModuleNotFoundError as err:
        raise ConfigError(
            f"format rrd needs '{err.name}', which is not installed: pip install 'fusiondrive[viz]'"
        ) from err
    return rerun
