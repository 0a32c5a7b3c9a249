"""Command: one street of each town in every weather, with tags and depth, on one picture.

`python -m harness.contact_sheet docs/pictures/contact_sheet.jpg` starts servers of its own.
`--weather fog:40 mine.yaml` draws these weathers alone, by name or file.
"""

from __future__ import annotations

import argparse
import queue
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

import carla
import cv2
import numpy as np
from numpy.typing import NDArray

from fusiondrive.errors import ConfigError, FusionDriveError, SimulatorError
from fusiondrive.files import check_file
from fusiondrive.paths import user_path
from fusiondrive.text import lenient_output
from harness.server import RunningServer, Server, ServerSpec
from harness.watchdog import Watched, watch
from scenarios.street_lamps import DarkStreets
from scenarios.weather import carla_weather, preset, weather_name

WIDTH, HEIGHT = 320, 180
COLUMNS = 3
_TITLE_ROWS = 22
QUALITY = 88
WAIT_S = 60.0
TOWN_LIMIT_S = 600.0  # a first start compiles the renderer
RGB = "sensor.camera.rgb"
# What is seen of each town: title, weather, whether an oncoming car dazzles.
PICTURES: tuple[tuple[str, dict[str, float], bool], ...] = (
    ("day", {"cloudiness": 10.0, "sun_altitude_angle": 50.0, "sun_azimuth_angle": 60.0}, False),
    ("cloudy", {"cloudiness": 95.0, "sun_altitude_angle": 45.0}, False),
    ("sunset", {"cloudiness": 30.0, "sun_altitude_angle": 6.0, "sun_azimuth_angle": 60.0}, False),
    (
        "rain",
        {
            "cloudiness": 90.0,
            "sun_altitude_angle": 40.0,
            "precipitation": 80.0,
            "precipitation_deposits": 80.0,
            "wetness": 100.0,
        },
        False,
    ),
    ("fog", {"cloudiness": 70.0, "sun_altitude_angle": 40.0, "fog_density": 60.0}, False),
    ("night", {"sun_altitude_angle": -30.0}, False),
    ("night, glare", {"sun_altitude_angle": -30.0, "fog_density": 15.0}, True),
)
LABELS = (
    ("tags", "sensor.camera.semantic_segmentation", carla.ColorConverter.CityScapesPalette),
    ("depth, logarithmic", "sensor.camera.depth", carla.ColorConverter.LogarithmicDepth),
)
_EYE = carla.Transform(carla.Location(x=1.5, z=1.6), carla.Rotation(pitch=-4.0))
_HIGH_BEAM = carla.VehicleLightState(
    carla.VehicleLightState.LowBeam | carla.VehicleLightState.HighBeam
)
_OFF = carla.VehicleLightState(carla.VehicleLightState.NONE)
_LOW_BEAM = carla.VehicleLightState(
    carla.VehicleLightState.Position | carla.VehicleLightState.LowBeam
)


class Scene(NamedTuple):
    """A weather that is drawn, and the lights in it."""

    title: str
    weather: carla.WeatherParameters
    is_dark: bool  # the ego's low beams are on
    dazzles: carla.VehicleLightState  # lights of the oncoming car
    has_street_lamps: bool = True


def scenes_of(weathers: Sequence[str]) -> list[Scene]:
    """The weathers of these names or files, or the usual ones where none is named.

    Raises:
        ConfigError: a name is unknown, or a file is no weather.
    """
    if weathers:
        chosen = [(weather_name(name), preset(name)) for name in weathers]
        return [
            Scene(
                title,
                carla_weather(weather),
                weather.is_night,
                _LOW_BEAM if weather.has_oncoming_car else _OFF,
                weather.has_street_lamps,
            )
            for title, weather in chosen
        ]
    return [
        Scene(
            title,
            carla.WeatherParameters(**values),
            values.get("sun_altitude_angle", 90.0) < 0.0,
            _HIGH_BEAM if dazzles else _OFF,
        )
        for title, values, dazzles in PICTURES
    ]


def _beside(start: carla.Transform, ahead_m: float, right_m: float, turn: float) -> carla.Transform:
    """A place seen from another one; `turn` is in degrees."""
    forward, right = start.get_forward_vector(), start.get_right_vector()
    place = start.location + ahead_m * forward + right_m * right
    return carla.Transform(place, carla.Rotation(yaw=start.rotation.yaw + turn))


def _populate(world: carla.World, spot: int) -> tuple[carla.Vehicle, carla.Vehicle]:
    """The ego, a car ahead, an oncoming one and a walker; gives the first and the oncoming."""
    library = world.get_blueprint_library()
    start = world.get_map().get_spawn_points()[spot]
    ego = world.spawn_actor(library.find("vehicle.tesla.model3"), start)
    leader = world.spawn_actor(library.find("vehicle.audi.tt"), _beside(start, 16.0, 0.0, 0.0))
    oncoming = library.find("vehicle.mini.cooper_s")
    dazzler = world.spawn_actor(oncoming, _beside(start, 21.0, -4.0, 180.0))
    walker = _beside(start, 11.0, 4.2, -60.0)
    walker.location.z += 0.6
    world.spawn_actor(library.find("walker.pedestrian.0005"), walker)
    leader.set_light_state(_LOW_BEAM)
    return ego, dazzler


def _picture(
    world: carla.World, ego: carla.Vehicle, kind: str, converter: carla.ColorConverter
) -> NDArray[np.uint8]:
    """What one camera sees on the next frame, BGR (H, W, 3)."""
    blueprint = world.get_blueprint_library().find(kind)
    blueprint.set_attribute("image_size_x", str(2 * WIDTH))
    blueprint.set_attribute("image_size_y", str(2 * HEIGHT))
    images: queue.Queue[carla.Image] = queue.Queue()
    sensor = world.spawn_actor(blueprint, _EYE, attach_to=ego)
    sensor.listen(images.put)
    frame = world.tick()
    image = images.get(timeout=WAIT_S)
    while image.frame < frame:
        image = images.get(timeout=WAIT_S)
    sensor.stop()
    sensor.destroy()
    image.convert(converter)
    pixels = np.frombuffer(image.raw_data, np.uint8).reshape(2 * HEIGHT, 2 * WIDTH, 4)
    return np.asarray(
        cv2.resize(pixels[..., :3], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8
    )


def _titled(picture: NDArray[np.uint8], title: str) -> NDArray[np.uint8]:
    picture[-_TITLE_ROWS:] //= 3
    white = (255, 255, 255)
    cv2.putText(
        picture, title, (8, HEIGHT - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.5, white, 1, cv2.LINE_AA
    )
    return picture


def draw_town(
    town: str, spot: int, scenes: Sequence[Scene], *, with_labels: bool = True
) -> NDArray[np.uint8]:
    """All pictures of a town from one pose, in rows of up to three.

    Args:
        town: which.
        spot: number of the spawn point.
        scenes: see `scenes_of`.
        with_labels: whether class ids and depth are drawn as well.

    Raises:
        FusionDriveError: the server does not have the town, died or did not answer.
    """
    with RunningServer(ServerSpec(town=town)) as server:
        drawn = Watched(f"draw {town}", server.host, server.port, TOWN_LIMIT_S)
        try:
            with watch(drawn):
                cells = _draw_cells(server, town, spot, scenes, with_labels=with_labels)
        except (RuntimeError, queue.Empty) as err:
            raise SimulatorError(
                f"could not draw {town}: {err or 'an image did not come'}"
            ) from err
    columns = min(COLUMNS, len(cells))
    cells += [np.zeros_like(cells[0])] * (-len(cells) % columns)
    rows = [np.hstack(cells[n : n + columns]) for n in range(0, len(cells), columns)]
    return np.vstack(rows)


def _draw_cells(
    server: Server, town: str, spot: int, scenes: Sequence[Scene], *, with_labels: bool
) -> list[NDArray[np.uint8]]:
    cells = []
    client = carla.Client(server.host, server.port)
    client.set_timeout(WAIT_S)
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
    world.apply_settings(settings)
    ego, dazzler = _populate(world, spot)
    for scene in scenes:
        with ExitStack() as lamps:
            world.set_weather(scene.weather)
            ego.set_light_state(_LOW_BEAM if scene.is_dark else _OFF)
            dazzler.set_light_state(scene.dazzles)
            if not scene.has_street_lamps:
                lamps.enter_context(DarkStreets(world))
                world.tick()  # the client tells the server with this one
            world.tick()
            picture = _picture(world, ego, RGB, carla.ColorConverter.Raw)
            cells.append(_titled(picture, f"{town} {scene.title}"))
    for title, kind, converter in LABELS if with_labels else ():
        cells.append(_titled(_picture(world, ego, kind, converter), f"{town} {title}"))
    return cells


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the towns side by side and write the picture; returns the exit code."""
    lenient_output()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=user_path, help="a .jpg file")
    parser.add_argument("--towns", nargs="+", default=["Town02", "Town03"])
    what = "names or YAML files; by default days, nights, rain and fog, with class ids and depth"
    parser.add_argument("--weather", nargs="+", default=[], help=what)
    parser.add_argument("--spot", type=int, default=5, help="number of the spawn point")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.output.suffix.lower() not in (".jpg", ".jpeg", ".png"):
            raise ConfigError(f"expected a .jpg or .png, found {chosen.output}")
        check_file(chosen.output)
        scenes, with_labels = scenes_of(chosen.weather), not chosen.weather
        sheet = np.hstack(
            [draw_town(t, chosen.spot, scenes, with_labels=with_labels) for t in chosen.towns]
        )
    except FusionDriveError as err:
        print(f"error: {err}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if not cv2.imwrite(str(chosen.output), sheet, [cv2.IMWRITE_JPEG_QUALITY, QUALITY]):
        print(f"error: cannot write {chosen.output}", file=sys.stderr)
        return 2
    print(f"wrote {chosen.output}: {chosen.output.stat().st_size / 1e3:.0f} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
