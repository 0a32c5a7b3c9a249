"""Checks OpenDRIVE text before carla.Map sees it: on broken input that crashes or hangs."""

from __future__ import annotations

from xml.etree.ElementTree import Element
from xml.parsers import expat

from simulator.maps.junction_rules import junction_problems
from simulator.maps.road_rules import extent_problems, road_problems

MAX_BYTES = 64 * 2**20
MAX_DEPTH = 64  # the standard needs 9


class MapError(ValueError):
    """A town that is not known, or a map file that cannot be used."""


def check_opendrive(xodr: str, source: str) -> None:
    """Raise a MapError unless the text is a road network that fits together.

    Args:
        xodr: OpenDRIVE text.
        source: what the error calls it; the line and the reason follow.
    """
    document = _Document(xodr, source)
    root = document.root
    if root.tag != "OpenDRIVE":
        raise MapError(f"{source}: root element is <{root.tag}>, expected <OpenDRIVE>")
    roads = root.findall("road")
    if not any(lane.get("type") == "driving" for road in roads for lane in road.iter("lane")):
        raise MapError(f"{source}: no driving lanes in its {len(roads)} roads")
    for rules in (road_problems, extent_problems, junction_problems):
        for problem in rules(root):
            line = document.lines[problem.element]
            raise MapError(f"{source}: line {line}: {problem.reason}")


class _Document:
    """An XML text as elements that know their lines; without DTDs, so without entities."""

    def __init__(self, text: str, source: str) -> None:
        if not text.strip():
            raise MapError(f"{source}: it is empty")
        data = text.encode()
        if len(data) > MAX_BYTES:
            raise MapError(f"{source}: larger than {MAX_BYTES // 2**20} MB")
        self.lines: dict[Element, int] = {}
        self._open: list[Element] = []
        self._source = source
        # The text is decoded already; a declaration of another encoding would be wrong now.
        self._parser = expat.ParserCreate("UTF-8")
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as err:
            raise MapError(f"{source}: not XML: {err}") from err
        self.root = next(iter(self.lines))

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes)
        self.lines[element] = self._parser.CurrentLineNumber
        if self._open:
            self._open[-1].append(element)
        self._open.append(element)
        if len(self._open) > MAX_DEPTH:
            line = self._parser.CurrentLineNumber
            raise MapError(f"{self._source}: line {line}: elements nested deeper than {MAX_DEPTH}")

    def _end(self, _: str) -> None:
        self._open.pop()

    def _refuse(self, *_: object) -> None:
        raise MapError(f"{self._source}: XML with entities or a DTD is not accepted")
