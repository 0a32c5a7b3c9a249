"""Every call whose effect is one on pictures: textures, debug shapes, doors."""

from __future__ import annotations

import queue
from collections.abc import Callable

import carla
import numpy as np
import pytest

from tests.simulator.calls import by_check

BUILDINGS = carla.CityObjectLabel.Buildings
SIZE = {"image_size_x": 64, "image_size_y": 48}


def _picture(stage, place: carla.Transform, kind: str = "rgb") -> np.ndarray:
    """What a camera sees at the next tick, (48, 64, 4) BGRA."""
    found: queue.Queue[carla.Image] = queue.Queue()
    blueprint = stage.blueprint(f"sensor.camera.{kind}", **SIZE)
    camera = stage.world.spawn_actor(blueprint, place)
    camera.listen(found.put)
    stage.world.tick()
    image = found.get(timeout=60.0)
    camera.stop()
    camera.destroy()
    return np.frombuffer(image.raw_data, np.uint8).reshape(48, 64, 4)


def _tall_house(stage) -> str:
    found = stage.world.get_environment_objects(BUILDINGS)
    return max(found, key=lambda thing: thing.bounding_box.extent.z).name


def textures(stage) -> None:
    wall = _tall_house(stage)
    color, deep = carla.TextureColor(2, 2), carla.TextureFloatColor(2, 2)
    for x, y in ((0, 0), (0, 1), (1, 0), (1, 1)):
        color.set(x, y, carla.Color(255, 0, 0))
        deep.set(x, y, carla.FloatColor(0.0, 0.0, 1.0))
    assert color.get(0, 1).r == 255
    what, world = carla.MaterialParameter.Diffuse, stage.world
    plain = _mean_color(stage, wall)
    world.apply_color_texture_to_object(wall, what, color)
    red = _mean_color(stage, wall)
    assert red[0] - red[2] > plain[0] - plain[2] + 10.0
    world.apply_float_color_texture_to_objects([wall], what, deep)
    blue = _mean_color(stage, wall)
    assert blue[2] - blue[0] > plain[2] - plain[0] + 10.0
    world.apply_color_texture_to_objects([wall], what, color)
    world.apply_float_color_texture_to_object(wall, carla.MaterialParameter.Normal, deep)
    assert _mean_color(stage, wall)[0] > blue[0]
    world.apply_textures_to_object(wall, color, deep, deep, deep)
    world.apply_textures_to_objects([wall], color, deep, deep, deep)
    with pytest.raises(RuntimeError, match="unable to find Actor to apply the texture"):
        world.apply_color_texture_to_object("nothing", what, color)


def _mean_color(stage, name: str) -> np.ndarray:
    """Of a picture of a wall, red, green and blue."""
    found = stage.world.get_environment_objects(BUILDINGS)
    box = next(thing for thing in found if thing.name == name).bounding_box
    away = carla.Location(x=box.extent.x + 8.0) + box.location
    place = carla.Transform(away, carla.Rotation(yaw=180.0))
    return _picture(stage, place)[..., :3].mean(axis=(0, 1))[::-1]


def _street(stage) -> carla.Transform:
    """A camera that looks along an empty street."""
    point = stage.spawn_points()[0]
    point.location.z += 2.0
    return point


def _colored(picture: np.ndarray, bgr: tuple[int, int, int]) -> int:
    return int((picture[..., :3] == bgr).all(axis=-1).sum())


def drawing(stage) -> None:
    debug, point = stage.world.debug, _street(stage)
    ahead, right = point.get_forward_vector(), point.get_right_vector()
    here = carla.Location(point.location + ahead * 8.0)
    there = carla.Location(here + right * 1.5)
    box = carla.BoundingBox(here, carla.Vector3D(1, 1, 1))
    pure = carla.Color(0, 255, 0)
    for draw in (
        lambda s: debug.draw_point(here, 0.1, pure, s),
        lambda s: debug.draw_line(here, there, 0.2, pure, s),
        lambda s: debug.draw_arrow(here, there, 0.2, 0.3, pure, s),
        lambda s: debug.draw_box(box, point.rotation, 0.2, pure, s),
    ):
        draw(0.15)  # one frame and a half
        assert [_colored(_picture(stage, point), (0, 255, 0)) > 8 for _ in range(3)] == [1, 1, 0]
    debug.draw_line(here, there, 0.2, pure, 0.0)
    assert _colored(_picture(stage, point, "semantic_segmentation"), (0, 255, 0)) == 0
    hidden = carla.Transform(here + ahead * 3.0 + carla.Location(z=-20.0), carla.Rotation(pitch=90))
    assert _colored(_picture(stage, hidden), (0, 255, 0)) == 0  # below the street
    assert _colored(_picture(stage, point), (0, 255, 0)) > 8
    debug.clear_debug_shape()
    assert _colored(_picture(stage, point), (0, 255, 0)) == 0
    debug.draw_string(here, "in the window of the server", False, pure, 9.0)
    debug.draw_hud_point(here, 9.0, pure, 9.0)
    debug.draw_hud_line(here, there, 9.0, pure, 9.0)
    debug.draw_hud_arrow(here, there, 9.0, 9.0, pure, 9.0)
    debug.draw_hud_box(box, carla.Rotation(), 9.0, pure, 9.0)
    assert _colored(_picture(stage, point), (0, 255, 0)) == 0
    debug.clear_debug_string()


def doors(stage) -> None:
    point = stage.spawn_points()[0]
    car = stage.world.spawn_actor(stage.blueprint("vehicle.lincoln.mkz_2020"), point)
    stage.ticks(10)
    behind = carla.Transform(point.location - point.get_forward_vector() * 6.0, point.rotation)
    behind.location.z += 1.5

    def car_pixels() -> int:
        return int((_picture(stage, behind, "semantic_segmentation")[..., 2] == 14).sum())

    closed = car_pixels()
    car.open_door(carla.VehicleDoor.FL)
    one = car_pixels()
    car.open_door(carla.VehicleDoor.All)
    assert car_pixels() > one > closed
    car.close_door(carla.VehicleDoor.All)
    assert car_pixels() == closed
    plain = stage.car(40)
    assert plain.attributes["has_dynamic_doors"] == "false"
    plain.open_door(carla.VehicleDoor.All)  # asynchronous: no error comes back
    stage.world.tick()
    assert plain.is_alive


_DRAW = ("point", "line", "arrow", "box")
_TEXTURES = ("color_texture", "float_color_texture")
CASES: dict[str, Callable[..., None]] = {
    **{f"World.apply_{name}_to_object": textures for name in (*_TEXTURES, "textures")},
    **{f"World.apply_{name}_to_objects": textures for name in (*_TEXTURES, "textures")},
    **{f"DebugHelper.draw_{name}": drawing for name in (*_DRAW, "string")},
    **{f"DebugHelper.draw_hud_{name}": drawing for name in _DRAW},
    **{f"DebugHelper.clear_debug_{name}": drawing for name in ("shape", "string")},
    "World.debug": drawing,
    "Vehicle.open_door": doors,
    "Vehicle.close_door": doors,
}


@pytest.mark.parametrize("check", by_check(CASES))
def test_calls(stage, check):
    check(stage)
