"""Rays meet what the renderer draws."""

from collections.abc import Iterator

import numpy as np
import pytest

from simulator.raycast import RayCaster
from simulator.render import Renderer
from simulator.render.view import view_of
from simulator.types import Camera, Drawable, Pose, Tag, Weather
from tests.simulator.test_render import WALL_X, street

CAMERA = Camera(64, 48, 90.0, Pose(z=1.7))
CAR = Drawable("vehicle.tesla.model3", Pose(x=12.0, y=1.0, yaw=30.0), instance=7, actor_id=70)


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    made = Renderer(street(), threads=1)
    yield made
    made.close()


def rays_of(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors through the centres of all pixels, and how many metres one of depth is."""
    view = view_of(camera)
    u = (np.arange(camera.width) + 0.5) * 2.0 / camera.width - 1.0
    v = 1.0 - (np.arange(camera.height) + 0.5) * 2.0 / camera.height
    ray = view.ray_z + u[None, :, None] * view.ray_x + v[:, None, None] * view.ray_y
    ray = ray.reshape(-1, 3).astype(np.float64)
    length = np.linalg.norm(ray, axis=1)
    return ray / length[:, None], length


def test_rays_and_pixels_agree_on_depth_and_tag(renderer):
    things = [
        CAR,
        Drawable("walker.pedestrian.0001", Pose(x=6.0, y=-2.0), half_extent=(0.2, 0.2, 0.9)),
    ]
    frame = renderer.render(CAMERA, things, Weather(), 0.0, color=False)
    directions, per_m = rays_of(CAMERA)
    caster = RayCaster(renderer)
    hits = caster.cast(
        np.array(CAMERA.pose[:3]), directions, np.full(len(directions), 300.0), things
    )
    met = np.isfinite(hits.distance_m)
    is_sky = frame.tags.ravel() == Tag.SKY
    assert (met == is_sky).mean() < 0.002
    both = met & ~is_sky
    assert (hits.tags[both] == frame.tags.ravel()[both]).mean() > 0.998
    depth = hits.distance_m[both] / per_m[both]
    assert np.median(np.abs(depth / frame.depth_m.ravel()[both] - 1.0)) < 1e-5
    assert set(hits.bodies[both]) == {-1, 0, 1}


def test_a_ray_ends_at_its_reach_and_meets_the_nearest_first(renderer):
    caster = RayCaster(renderer)
    origin, down = np.array([0.0, 0.0, 5.0]), np.array([[0.0, 0.0, -1.0]])
    near, far = (caster.cast(origin, down, np.full(1, reach), []) for reach in (4.0, 6.0))
    assert np.isinf(near.distance_m[0])
    assert far.distance_m[0] == pytest.approx(5.0, abs=0.2)
    assert far.facing[0] == pytest.approx(1.0, abs=1e-3)
    below = CAR.pose._replace(yaw=0.0)
    roof = caster.cast(np.array([12.0, 1.0, 5.0]), down, np.full(1, 6.0), [CAR])
    assert roof.tags[0] == Tag.CAR
    assert roof.distance_m[0] == pytest.approx(5.0 - 2 * CAR.half_extent[2] - below.z, abs=0.3)


def test_a_wall_stands_where_it_was_built(renderer):
    caster = RayCaster(renderer)
    aside = np.radians(25.0)
    rays = np.array([[1.0, 0.0, 0.0], [np.cos(aside), np.sin(aside), 0.0]])
    hits = caster.cast(np.array([0.0, 0.0, 2.0]), rays, np.full(2, 100.0), [])
    assert hits.distance_m == pytest.approx([WALL_X, WALL_X / np.cos(aside)], rel=1e-6)
    assert hits.facing == pytest.approx([1.0, np.cos(aside)], rel=1e-6)
    assert (hits.tags == Tag.BUILDINGS).all()


def test_a_body_around_the_origin_is_looked_through(renderer):
    caster = RayCaster(renderer)
    ahead = np.array([[1.0, 0.0, 0.0]])
    inside = caster.cast(np.array([12.0, 1.0, 0.8]), ahead, np.full(1, 3.0), [CAR])
    assert inside.bodies[0] == -1
