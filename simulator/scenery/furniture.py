"""Street furniture: lamps, signal poles, signs, benches, bins, hedges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from simulator.scenery.meshes import Look, MeshBuilder, turn
from simulator.types import Layer, Material, Obstacle, Pose, Tag

SIGNAL_HEAD_M = 3.2  # height of the middle of a traffic light's head above the pole's foot
LAMP_M = 7.4  # height of the bulb
_LAMP_ARM_M = 1.8
_POLE_FAR_M = 140.0
_SMALL_FAR_M = 90.0
_STEEL = Look(Material.METAL, Tag.POLES, (96, 100, 104))
_DARK = Look(Material.METAL, Tag.POLES, (52, 56, 58))
_BULB = Look(Material.LAMP, Tag.POLES, (255, 236, 200))
_WOOD = Look(Material.BARK, Tag.STATIC, (132, 98, 68))
_BIN = Look(Material.METAL, Tag.STATIC, (62, 84, 70))
_BACK = Look(Material.METAL, Tag.TRAFFIC_SIGNS, (150, 152, 155))
UP = np.array([0.0, 0.0, 1.0])
SIGN_FACES = ((200, 44, 38), (36, 84, 170), (232, 190, 44), (240, 240, 240))


class Lamp(NamedTuple):
    """A light bulb: where, and that it shines down."""

    x: float
    y: float
    z: float


@dataclass
class Street:
    """Collects what stands along the streets."""

    poles: MeshBuilder = field(default_factory=MeshBuilder)
    small: MeshBuilder = field(default_factory=MeshBuilder)
    lamps: list[Lamp] = field(default_factory=list)
    obstacles: list[Obstacle] = field(default_factory=list)

    def layers(self) -> list[Layer]:
        """Poles are seen from farther than benches."""
        return [
            Layer(self.poles.build(), 0.0, _POLE_FAR_M),
            Layer(self.small.build(), 0.0, _SMALL_FAR_M),
        ]

    def add_lamp(self, foot: Pose) -> None:
        """A street lamp whose arm reaches along `foot.yaw`."""
        ahead = turn(np.array([[1.0, 0.0, 0.0]]), foot.yaw)[0]
        base = np.array(foot[:3])
        neck = base + UP * (LAMP_M - 0.2)
        end = base + ahead * _LAMP_ARM_M + UP * (LAMP_M + 0.15)
        self.poles.tube(base - UP * 0.3, base + UP * 0.9, (0.12, 0.11), _STEEL, 6)
        self.poles.tube(base + UP * 0.9, neck, (0.08, 0.06), _STEEL, 6)
        self.poles.tube(neck, end, (0.05, 0.04), _STEEL, 4)
        head = end + ahead * 0.25
        self.poles.box(head + UP * 0.03, (0.36, 0.14, 0.05), _STEEL, foot.yaw)
        self.poles.box(head - UP * 0.05, (0.3, 0.11, 0.03), _BULB, foot.yaw, bottom=True)
        bulb = head - UP * 0.1
        self.lamps.append(Lamp(float(bulb[0]), float(bulb[1]), float(bulb[2])))
        self._post(foot, 0.12, LAMP_M, Tag.POLES)

    def add_signal_pole(self, foot: Pose, *, solid: bool) -> None:
        """The pole behind a traffic light's head, which the renderer draws."""
        behind = turn(np.array([[-0.16, 0.0, 0.0]]), foot.yaw)[0]
        base = np.array(foot[:3]) + behind
        self.poles.tube(base - UP * 0.3, base + UP * 0.6, (0.11, 0.1), _DARK, 6)
        top = base + UP * (SIGNAL_HEAD_M + 0.55)
        self.poles.tube(base + UP * 0.6, top, (0.07, 0.06), _DARK, 6)
        for z in (SIGNAL_HEAD_M - 0.3, SIGNAL_HEAD_M + 0.3):
            self.poles.box(base - behind / 2 + UP * z, (0.1, 0.03, 0.03), _DARK, foot.yaw)
        if solid:
            self._post(foot, 0.12, SIGNAL_HEAD_M, Tag.POLES)

    def add_sign(self, foot: Pose, face: int) -> None:
        """A sign that looks along `foot.yaw`."""
        base = np.array(foot[:3])
        self.poles.tube(base - UP * 0.3, base + UP * 2.75, (0.035, 0.035), _STEEL, 5)
        ahead = turn(np.array([[1.0, 0.0, 0.0]]), foot.yaw)[0]
        color = SIGN_FACES[face % len(SIGN_FACES)]
        look = Look(Material.PLAIN, Tag.TRAFFIC_SIGNS, color)
        center = base + UP * 2.4
        if face % len(SIGN_FACES) == 3:
            self.poles.box(center, (0.02, 0.3, 0.4), _BACK, foot.yaw, bottom=True)
            self._plate(center + ahead * 0.03, 0.27, 4, foot.yaw, look)
        else:
            self._plate(center + ahead * 0.05, 0.34, 8, foot.yaw, look)
            self._plate(center + ahead * 0.045, 0.36, 8, foot.yaw, _BACK)
            inner = look._replace(color=(242, 242, 240))
            self._plate(center + ahead * 0.06, 0.22, 8, foot.yaw, inner)
        self._post(foot, 0.06, 2.7, Tag.POLES)

    def add_bench(self, foot: Pose) -> None:
        """A bench to sit on, looking along `foot.yaw`."""
        base = np.array(foot[:3])
        self.small.box(base + UP * 0.43, (0.22, 0.8, 0.03), _WOOD, foot.yaw, bottom=True)
        back = turn(np.array([[-0.22, 0.0, 0.68]]), foot.yaw)[0]
        self.small.box(base + back, (0.03, 0.8, 0.2), _WOOD, foot.yaw, bottom=True)
        for side in (-0.6, 0.6):
            leg = turn(np.array([[-0.05, side, 0.2]]), foot.yaw)[0]
            self.small.box(
                base + leg, (0.16, 0.03, 0.22), _STEEL._replace(tag=Tag.STATIC), foot.yaw
            )
        self._block(foot, (0.28, 0.8, 0.45), Tag.STATIC)

    def add_bin(self, foot: Pose) -> None:
        """A litter bin."""
        base = np.array(foot[:3])
        self.small.tube(base, base + UP * 0.85, (0.22, 0.26), _BIN, 8)
        self.small.box(base + UP * 0.86, (0.2, 0.2, 0.03), _BIN, foot.yaw)
        self._block(foot, (0.25, 0.25, 0.45), Tag.STATIC)

    def add_fence(self, start: Pose, length_m: float) -> None:
        """A picket fence from `start` along its yaw."""
        look = Look(Material.PLAIN, Tag.FENCES, (226, 222, 212))
        middle = turn(np.array([[length_m / 2.0, 0.0, 0.0]]), start.yaw)[0] + np.array(start[:3])
        for z in (0.3, 0.75):
            self.small.box(
                middle + UP * z, (length_m / 2.0, 0.02, 0.05), look, start.yaw, bottom=True
            )
        along = np.arange(0.1, length_m, 0.4)
        low, high = np.zeros_like(along), np.full_like(along, 0.95)
        rims = [
            (along - 0.05, low),
            (along + 0.05, low),
            (along + 0.05, high),
            (along - 0.05, high),
        ]
        pickets = np.stack([np.column_stack([x, np.zeros_like(x), z]) for x, z in rims], 1)
        placed = turn(pickets.reshape(-1, 3), start.yaw) + np.array(start[:3])
        self.small.quads(placed.reshape(-1, 4, 3), look)
        center = Pose(float(middle[0]), float(middle[1]), float(middle[2]), yaw=start.yaw)
        self._block(center, (length_m / 2.0, 0.06, 0.5), Tag.FENCES)

    def add_hedge(self, start: Pose, length_m: float) -> None:
        """A clipped hedge from `start` along its yaw."""
        look = Look(Material.LEAF, Tag.VEGETATION, (62, 92, 44))
        middle = turn(np.array([[length_m / 2.0, 0.0, 0.0]]), start.yaw)[0] + np.array(start[:3])
        self.small.box(middle + UP * 0.5, (length_m / 2.0, 0.3, 0.6), look, start.yaw)
        center = Pose(float(middle[0]), float(middle[1]), float(middle[2]), yaw=start.yaw)
        self._block(center, (length_m / 2.0, 0.3, 0.55), Tag.VEGETATION)

    def _plate(
        self,
        center: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
        radius: float,
        sides: int,
        yaw: float,
        look: Look,
    ) -> None:
        angle = (np.arange(sides) + 0.5) * 2.0 * np.pi / sides
        rim = np.column_stack([np.zeros(sides), np.cos(angle) * radius, np.sin(angle) * radius])
        points = np.concatenate([np.zeros((1, 3)), rim])
        k = np.arange(sides)
        faces = np.column_stack([np.zeros(sides, int), k + 1, (k + 1) % sides + 1])
        self.poles.add(turn(points, yaw) + center, faces, look, points[:, 1:])

    def _post(self, foot: Pose, half: float, height: float, tag: Tag) -> None:
        self._block(foot, (half, half, height / 2.0), tag)

    def _block(self, foot: Pose, half: tuple[float, float, float], tag: Tag) -> None:
        center = foot.z + half[2]
        self.obstacles.append(Obstacle(foot.x, foot.y, center, foot.yaw, *half, int(tag)))
