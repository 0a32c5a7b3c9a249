"""MCAP with JSON messages: images as Foxglove's schema, every column of a step as one of ours.

Foxglove's schemas are documented at docs.foxglove.dev/docs/visualization/message-schemas.
"""

from __future__ import annotations

import base64
import json
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from fusiondrive.errors import ConfigError
from harness.export.moment import JSON_COLUMNS, MAP, Moment
from results.columns import documented
from results.trace import TraceRow

STEP, EVENTS, CAMERA = "/step", "/events", "/camera"  # topics
WARNING = 3  # level of foxglove.Log
_TIME = {
    "type": "object",
    "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}},
}
_IMAGE = {
    "title": "foxglove.CompressedImage",
    "type": "object",
    "properties": {
        "timestamp": _TIME,
        "frame_id": {"type": "string"},
        "data": {"type": "string", "contentEncoding": "base64"},
        "format": {"type": "string"},
    },
}
_LOG = {
    "title": "foxglove.Log",
    "type": "object",
    "properties": {
        "timestamp": _TIME,
        "level": {"type": "integer"},
        "message": {"type": "string"},
        "name": {"type": "string"},
    },
}
_KINDS = {int: "integer", float: "number", bool: "boolean", str: "string"}


class McapWriter:
    """Writes an .mcap file, its messages compressed."""

    def __init__(self, path: Path, about: dict[str, str]) -> None:
        """Begin a file.

        Raises:
            ConfigError: mcap is not installed.
        """
        try:
            from mcap.writer import Writer
        except ModuleNotFoundError as err:
            raise ConfigError(
                f"format mcap needs '{err.name}', which is not installed: "
                "pip install 'fusiondrive[viz]'"
            ) from err
        self._writer = Writer(str(path))
        self._writer.start(library="fusiondrive")
        self._writer.add_metadata("drive", about)
        self._schemas = {
            item["title"]: self._schema(item) for item in (_IMAGE, _LOG, step_schema())
        }
        self._channels: dict[str, int] = {}

    def write(self, moment: Moment) -> None:
        """Add a step."""
        second, nanosecond = divmod(moment.time_ns, 1_000_000_000)
        time = {"sec": second, "nsec": nanosecond}
        for name, data in moment.pictures.items():
            topic = f"/{name}" if name == MAP else f"{CAMERA}/{name}"
            image = {"timestamp": time, "frame_id": name, "format": "jpeg",
                     "data": base64.b64encode(data).decode("ascii")}  # fmt: skip
            self._add(topic, _IMAGE["title"], image, moment)
        values = moment.values()
        self._add(STEP, step_schema()["title"], values, moment)
        for event in values["events"]:
            log = {"timestamp": time, "level": WARNING, "message": event, "name": "criteria"}
            self._add(EVENTS, _LOG["title"], log, moment)

    def finish(self) -> None:
        """Write the index."""
        self._writer.finish()

    def _schema(self, schema: dict[str, Any]) -> int:
        text = json.dumps(schema).encode()
        return int(self._writer.register_schema(schema["title"], "jsonschema", text))

    def _add(self, topic: str, schema: Any, message: dict[str, Any], moment: Moment) -> None:
        if topic not in self._channels:
            number = self._writer.register_channel(topic, "json", self._schemas[schema])
            self._channels[topic] = number
        self._writer.add_message(
            channel_id=self._channels[topic],
            log_time=moment.time_ns,
            publish_time=moment.time_ns,
            data=json.dumps(message, allow_nan=False).encode(),
            sequence=moment.row.step,
        )


def step_schema() -> dict[str, Any]:
    """The columns of a step with their meaning, as JSON schema."""
    hints, docs = get_type_hints(TraceRow), documented(TraceRow)
    properties: dict[str, Any] = {}
    for name in (item.name for item in fields(TraceRow)):
        kind = next(word for base, word in _KINDS.items() if hints[name] in (base, base | None))
        may_miss = hints[name] not in _KINDS
        is_list = name in JSON_COLUMNS
        shape: Any = "array" if is_list else [kind, "null"] if may_miss else kind
        properties[name] = {"type": shape, "description": docs[name]}
    return {"title": "fusiondrive.Step", "type": "object", "properties": properties}
