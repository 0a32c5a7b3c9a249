"""Measure who is visible to whom: a person, a cyclist and a car by distance and weather.

python -m harness.detectability
python -m harness.detectability --weather fog:40 night:glare --camera braking --out out/seen
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fusiondrive.cli import Flag, check_values, exit_code, parse
from fusiondrive.errors import ConfigError
from fusiondrive.files import check_folder, whole_file
from fusiondrive.types import CameraSpec
from harness.checks import check_weathers
from harness.detectability.measure import Masks, seen
from harness.detectability.report import Row, markdown, write_csv, write_plot
from harness.detectability.sheets import Pair, write_views, write_weathers
from harness.detectability.stage import TARGETS, Frames, Stage
from harness.env_config import EnvConfig
from harness.server import ServerSpec
from harness.simulation import Simulation
from harness.town import LoadedTown
from perceivers.detection import CAMERA
from scenarios.weather import preset, weather_name
from sensors.config import ThermalConfig
from sensors.thermal_settings import read_thermal, thermal_text

CAMERAS: dict[str, CameraSpec] = {
    "driving": CameraSpec(),
    "braking": CAMERA,  # that of the track tests
}
WEATHERS = (
    *("clear", "fog:200", "fog:100", "fog:60", "fog:40", "fog:25"),
    *("night", "night:headlights", "night:glare", "night+fog:60"),
)
NEAREST_M, FARTHEST_M = 4.0, 200.0
SHEET_M = 20.0  # distance on the sheet of all weathers
EDGE_PX, AROUND_PX = 1, 10  # beyond the target's rectangle


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    weather: Annotated[tuple[str, ...], Flag("names or files", "NAME")] = WEATHERS
    target: Annotated[tuple[str, ...], Flag("who stands in the lane", choices=tuple(TARGETS))] = (
        tuple(TARGETS)
    )
    distance: Annotated[
        tuple[float, ...],
        Flag("from the camera, m", "M", at_least=NEAREST_M, at_most=FARTHEST_M),
    ] = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0)
    camera: Annotated[
        str, Flag("driving: 400x300, 100 degrees; braking: 640x480, 50", choices=tuple(CAMERAS))
    ] = "driving"
    thermal: Annotated[str, Flag("as in harness.run, without faults", read=thermal_text)] = (
        "fog_ratio=0.5"
    )
    town: Annotated[str, Flag("with a straight two-way road")] = "track"
    host: Annotated[str | None, Flag("of a CARLA server that runs, in place of the embedded")] = (
        None
    )
    port: Annotated[int, Flag("of that server")] = 2000
    out: Annotated[Path, Flag("folder of table, plot and pictures", "DIR")] = Path(
        "runs/detectability"
    )

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ConfigError: a name or value is unknown.
        """
        check_values(self)
        check_weathers(self.weather)
        if read_thermal(self.thermal).has_faults:
            raise ConfigError(f"thermal: only fog_ratio is measured here, found '{self.thermal}'")


def measure(options: Options) -> list[Row]:
    """Measure all targets in all weathers; pictures go to the options' folder.

    Raises:
        MapError: the town has no road for it.
        SimulatorError: the simulator died or did not answer.
    """
    backend = "embedded" if options.host is None else "external"
    address = (options.host or "localhost", None if options.host is None else options.port)
    server = ServerSpec(backend, *address, options.town)
    simulation = Simulation(EnvConfig(server=server, town=options.town, input="thermal"))
    count = len(options.weather) * len(options.target) * len(options.distance)
    rows: list[Row] = []
    sheet: list[Pair] = []
    with simulation, tqdm(total=count, unit="view", file=sys.stderr) as bar:
        town = simulation.town(options.town)
        for weather in options.weather:
            pairs: list[Pair] = []
            for row, pair in _views(simulation, town, options, weather):
                rows.append(row)
                pairs.append(pair)
                bar.update()
            name = weather_name(weather).replace(":", "-")
            write_views(pairs, len(options.distance), options.out / f"{name}.jpg")
            at = int(np.argmin(np.abs(np.array(options.distance) - SHEET_M)))
            sheet.append(pairs[at])
    write_weathers(sheet, options.out / "weathers.jpg")
    return rows


def _views(
    simulation: Simulation, town: LoadedTown, options: Options, weather: str
) -> Iterator[tuple[Row, Pair]]:
    """What is measured and seen of one weather."""
    config = ThermalConfig(fog_ratio=read_thermal(options.thermal).fog_ratio)
    camera, reach_m = CAMERAS[options.camera], max(options.distance)
    with Stage(simulation.session, town, preset(weather), camera, config, reach_m) as stage:
        empty = stage.look()
        for target, distance_m in product(options.target, options.distance):
            with stage.target(TARGETS[target], distance_m) as actor_id:
                there = stage.look()
                masks = _masks(stage, actor_id, there.tags, TARGETS[target].tags)
            row = _row(options, _View(weather, target, distance_m), there, empty, masks)
            yield row, Pair(weather_name(weather), there.rgb, there.thermal)
    simulation.session.tick()


def run(options: Options) -> str:
    """Measure, and write table and plot; returns the table."""
    check_folder(options.out, flag="--out")
    options.out.mkdir(parents=True, exist_ok=True)
    rows = measure(options)
    text = markdown(rows)
    write_csv(rows, options.out / "detectability.csv")
    write_plot(rows, options.out / "detectability.png")
    with whole_file(options.out / "detectability.md") as draft:
        draft.write_text(text, encoding="utf-8")
    print(f"table, plot and pictures: {options.out}", file=sys.stderr)
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return exit_code(lambda: run(parse(Options, arguments, "harness.detectability", __doc__)))


class _View(NamedTuple):
    """One cell of the table."""

    weather: str
    target: str
    distance_m: float


def _masks(stage: Stage, actor_id: int, tags: NDArray[np.uint8], wanted: tuple[int, ...]) -> Masks:
    own, apart = (stage.rectangle(actor_id, margin) for margin in (EDGE_PX, 2 * EDGE_PX))
    around = stage.rectangle(actor_id, AROUND_PX) & ~apart
    return Masks(own, around, int((np.isin(tags, wanted) & own).sum()))


def _row(options: Options, view: _View, there: Frames, empty: Frames, masks: Masks) -> Row:
    visible = seen(there.visible, empty.visible, masks)
    infrared = seen(there.infrared, empty.infrared, masks)
    weather, target, distance_m = view
    range_m = preset(weather).range_m
    return Row(
        weather=weather_name(weather),
        range_m=None if range_m is None else round(range_m, 1),
        camera=options.camera,
        thermal=options.thermal,
        target=target,
        distance_m=distance_m,
        pixels=masks.pixels,
        visible_levels=round(visible.levels, 2),
        visible_d=round(visible.d_prime, 2),
        infrared_levels=round(infrared.levels, 2),
        infrared_d=round(infrared.d_prime, 2),
    )


if __name__ == "__main__":
    sys.exit(main())
