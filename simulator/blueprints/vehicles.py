"""The vehicles of the blueprint library: sizes, masses and what their drivers feel.

Sizes are the bounding boxes that CARLA 0.9.16 reports for these blueprints, rounded to centimetres
(without the mirrors of the bus); masses and wheel bases are those of the real models.
"""

from __future__ import annotations

import bisect
from typing import NamedTuple

from simulator.physics import VehicleSpec
from simulator.render.doors import (
    FRONT_LEFT,
    FRONT_RIGHT,
    HOOD,
    REAR_LEFT,
    REAR_RIGHT,
    TRUNK,
)
from simulator.types import Tag


class SteeringCurve(NamedTuple):
    """Share of the full lock over speed (km/h), as a client wants it."""

    speeds: tuple[float, ...]
    shares: tuple[float, ...]

    def at(self, kmh: float) -> float:
        """The share at a speed; constant beyond the ends."""
        i = bisect.bisect_right(self.speeds, kmh)
        if i == 0 or i == len(self.speeds):
            return self.shares[0 if i == 0 else -1]
        low, high = self.speeds[i - 1], self.speeds[i]
        part = (kmh - low) / max(high - low, 1e-9)
        return self.shares[i - 1] + part * (self.shares[i] - self.shares[i - 1])


class VehicleModel(NamedTuple):
    """One row of the table."""

    blueprint: str
    base_type: str  # car | van | truck | bus | motorcycle | bicycle
    half_extent: tuple[float, float, float]  # m
    mass_kg: float
    wheelbase_m: float
    power_kw: float
    generation: int = 1
    special_type: str = ""  # emergency | taxi | electric
    max_steer_deg: float = 70.0

    @property
    def wheels(self) -> int:
        """The number of wheels that the blueprint attribute names; see `PHYSICS_WHEELS`."""
        return 2 if self.base_type in ("motorcycle", "bicycle") else 4

    @property
    def has_lights(self) -> bool:
        """What the blueprint attribute says; in pictures every vehicle shows the lamps it has."""
        return self.has_doors or self.blueprint == "vehicle.mitsubishi.fusorosa"

    @property
    def has_doors(self) -> bool:
        """Whether the model's doors open: those of CARLA's newer four-wheelers do."""
        return self.blueprint in _WITH_DOORS

    @property
    def doors(self) -> int:
        """Bits of VehicleDoor: vans and trucks have only the doors beside the driver's seat."""
        if not self.has_doors:
            return 0
        if self.base_type != "car":
            return FRONT_LEFT | FRONT_RIGHT
        rear = 0 if self.blueprint in _TWO_DOORS else REAR_LEFT | REAR_RIGHT
        return FRONT_LEFT | FRONT_RIGHT | rear | HOOD | TRUNK

    @property
    def drivers(self) -> tuple[str, ...]:
        """Values of the attribute `driver_id`; all drivers look the same here."""
        return _DRIVERS.get(self.blueprint, ())

    @property
    def box_center(self) -> tuple[float, float, float]:
        """Centre of the bounding box above the actor's origin, m."""
        return (0.0, 0.0, self.half_extent[2])

    @property
    def tags(self) -> bytes:
        """Semantic tags of the parts of the vehicle."""
        if self.wheels == 2:
            return bytes([_TAGS[self.base_type], Tag.RIDER])
        return bytes([_TAGS[self.base_type]])

    def spec(self) -> VehicleSpec:
        """What the physics needs to know."""
        frontal_m2 = 4.0 * self.half_extent[1] * self.half_extent[2] * 0.85
        is_heavy = self.mass_kg > 5000.0
        half_x, half_y, half_z = self.half_extent
        return VehicleSpec(
            half_extent=(half_x, half_y * BODY_SHARE, half_z),
            box_center=self.box_center,
            mass_kg=self.mass_kg,
            wheelbase_m=self.wheelbase_m,
            max_steer_deg=self.max_steer_deg,
            drag=0.5 * AIR_DENSITY * DRAG_COEFFICIENT * frontal_m2,
            peak_accel=2.5 if is_heavy or self.base_type == "bicycle" else 4.6,
            power_w=1000.0 * self.power_kw,
            brake_decel=6.5 if is_heavy else 8.0,
            corner_cut_m=CORNER_CUT_M if half_x > _LONG_HALF_M else 0.0,
        )


BODY_SHARE = 0.92  # of the bounding box's width; mirrors touch nothing in CARLA
CORNER_CUT_M = 0.6  # of a bus, a lorry and a fire engine: what sweeps over the next lane in a bend
_LONG_HALF_M = 3.5
AIR_DENSITY = 1.2  # kg/m^3
DRAG_COEFFICIENT = 0.3  # what CARLA reports for nearly every vehicle
TYRE_FRICTION = 3.5  # what CARLA reports for its tyres
# The equations of motion divide by it; with it a vehicle loses a millionth of a m/s each second.
_LEAST_FRICTION = 1e-7
# Every vehicle has four: CARLA's two-wheelers, too, stand on four in PhysX, two on each axle.
PHYSICS_WHEELS = 4

_TAGS = {
    "car": Tag.CAR,
    "van": Tag.TRUCK,
    "truck": Tag.TRUCK,
    "bus": Tag.BUS,
    "motorcycle": Tag.MOTORCYCLE,
    "bicycle": Tag.BICYCLE,
}

_ROWS = (
    VehicleModel("vehicle.audi.a2", "car", (1.85, 0.89, 0.77), 1050, 2.41, 55),
    VehicleModel("vehicle.audi.etron", "car", (2.43, 1.02, 0.82), 2490, 2.93, 300, 1, "electric"),
    VehicleModel("vehicle.audi.tt", "car", (2.09, 1.00, 0.69), 1390, 2.51, 180),
    VehicleModel("vehicle.bh.crossbike", "bicycle", (0.74, 0.43, 0.88), 95, 1.05, 0.5),
    VehicleModel("vehicle.bmw.grandtourer", "car", (2.31, 1.12, 0.83), 1550, 2.78, 110),
    VehicleModel("vehicle.carlamotors.carlacola", "truck", (2.60, 1.31, 1.23), 5500, 3.0, 130),
    VehicleModel(
        "vehicle.carlamotors.european_hgv", "truck", (3.96, 1.45, 1.73), 9500, 4.2, 320, 2
    ),
    VehicleModel(
        "vehicle.carlamotors.firetruck",
        "truck", (4.23, 1.46, 1.91), 14000, 4.6, 300, 2, "emergency",
    ),
    VehicleModel("vehicle.chevrolet.impala", "car", (2.68, 1.02, 0.71), 1680, 2.84, 220),
    VehicleModel("vehicle.citroen.c3", "car", (1.99, 0.93, 0.81), 1150, 2.54, 80),
    VehicleModel("vehicle.diamondback.century", "bicycle", (0.82, 0.19, 0.88), 92, 1.0, 0.5),
    VehicleModel("vehicle.dodge.charger_2020", "car", (2.50, 1.05, 0.77), 1950, 3.05, 270, 2),
    VehicleModel(
        "vehicle.dodge.charger_police", "car", (2.49, 1.02, 0.77), 1950, 3.05, 270, 1, "emergency"
    ),
    VehicleModel(
        "vehicle.dodge.charger_police_2020",
        "car", (2.61, 1.05, 0.82), 2000, 3.05, 270, 2, "emergency",
    ),
    VehicleModel(
        "vehicle.ford.ambulance", "van", (3.18, 1.18, 1.22), 4500, 3.9, 160, 2, "emergency"
    ),
    VehicleModel("vehicle.ford.crown", "car", (2.68, 0.90, 0.79), 1850, 2.91, 170, 2, "taxi"),
    VehicleModel("vehicle.ford.mustang", "car", (2.36, 0.95, 0.65), 1350, 2.74, 200),
    VehicleModel("vehicle.gazelle.omafiets", "bicycle", (0.92, 0.16, 0.88), 96, 1.1, 0.5),
    VehicleModel(
        "vehicle.harley-davidson.low_rider", "motorcycle", (1.18, 0.38, 0.78), 380, 1.63, 65
    ),
    VehicleModel("vehicle.jeep.wrangler_rubicon", "car", (1.93, 0.95, 0.94), 1950, 2.42, 200),
    VehicleModel("vehicle.kawasaki.ninja", "motorcycle", (1.01, 0.40, 0.72), 270, 1.41, 45),
    VehicleModel("vehicle.lincoln.mkz_2017", "car", (2.45, 1.06, 0.76), 1680, 2.85, 180),
    VehicleModel("vehicle.lincoln.mkz_2020", "car", (2.45, 1.09, 0.75), 1690, 2.85, 180, 2),
    VehicleModel("vehicle.mercedes.coupe", "car", (2.51, 1.08, 0.83), 1850, 2.95, 245),
    VehicleModel("vehicle.mercedes.coupe_2020", "car", (2.34, 1.00, 0.72), 1650, 2.84, 245, 2),
    VehicleModel("vehicle.mercedes.sprinter", "van", (2.96, 0.99, 1.28), 2600, 3.67, 120, 2),
    VehicleModel(
        "vehicle.micro.microlino", "car", (1.10, 0.74, 0.69), 510, 1.57, 13, 1, "electric"
    ),
    VehicleModel("vehicle.mini.cooper_s", "car", (1.90, 0.99, 0.74), 1210, 2.47, 135),
    VehicleModel("vehicle.mini.cooper_s_2021", "car", (2.28, 1.05, 0.88), 1280, 2.57, 140, 2),
    VehicleModel(
        "vehicle.mitsubishi.fusorosa", "bus", (5.14, 1.35, 1.75), 6500, 5.3, 130, 2,
        max_steer_deg=60.0,
    ),
    VehicleModel("vehicle.nissan.micra", "car", (1.82, 0.92, 0.75), 980, 2.43, 60),
    VehicleModel("vehicle.nissan.patrol", "car", (2.30, 0.97, 0.93), 2100, 2.65, 190),
    VehicleModel("vehicle.nissan.patrol_2021", "car", (2.78, 1.08, 1.02), 2750, 3.08, 298, 2),
    VehicleModel("vehicle.seat.leon", "car", (2.10, 0.91, 0.74), 1300, 2.64, 110),
    VehicleModel(
        "vehicle.tesla.cybertruck", "car", (3.14, 1.19, 1.05), 3000, 3.81, 450, 1, "electric"
    ),
    VehicleModel("vehicle.tesla.model3", "car", (2.40, 1.08, 0.74), 1845, 2.87, 210, 1, "electric"),
    VehicleModel("vehicle.toyota.prius", "car", (2.26, 1.00, 0.76), 1380, 2.70, 90, 1, "electric"),
    VehicleModel("vehicle.vespa.zx125", "motorcycle", (0.90, 0.43, 0.82), 190, 1.28, 7),
    VehicleModel("vehicle.volkswagen.t2", "van", (2.24, 1.03, 1.02), 1500, 2.40, 50),
    VehicleModel("vehicle.volkswagen.t2_2021", "van", (2.22, 0.89, 0.99), 1500, 2.40, 75, 2),
    VehicleModel("vehicle.yamaha.yzf", "motorcycle", (1.10, 0.43, 0.80), 280, 1.38, 75),
)  # fmt: skip

# CARLA's vehicle catalogue, "has opening doors".
_WITH_DOORS = frozenset(
    f"vehicle.{name}"
    for name in (
        "carlamotors.firetruck", "dodge.charger_2020", "dodge.charger_police_2020",
        "ford.ambulance", "ford.crown", "lincoln.mkz_2020", "mercedes.coupe_2020",
        "mercedes.sprinter", "mini.cooper_s_2021", "nissan.patrol_2021", "volkswagen.t2_2021",
    )
)  # fmt: skip
_TWO_DOORS = ("vehicle.mercedes.coupe_2020", "vehicle.mini.cooper_s_2021")
_DRIVERS = {
    "vehicle.bh.crossbike": ("2", "3", "7", "8"),
    "vehicle.diamondback.century": ("4", "5", "6", "7"),
    "vehicle.gazelle.omafiets": ("0", "1", "3", "5"),
    "vehicle.harley-davidson.low_rider": ("0", "3", "7", "4"),
    "vehicle.kawasaki.ninja": ("0", "7", "3", "4"),
    "vehicle.lincoln.mkz_2020": ("0",),
    "vehicle.vespa.zx125": ("0", "2", "3", "6"),
    "vehicle.yamaha.yzf": ("0", "2", "3", "6"),
}


def grip_at(base: float, friction: float) -> float:
    """The physics' grip of tyres with a `tire_friction` in CARLA's scale.

    Args:
        base: grip of the model with the friction that CARLA reports.
        friction: as in WheelPhysicsControl.
    """
    return base * max(friction, _LEAST_FRICTION) / TYRE_FRICTION


VEHICLES = {row.blueprint: row for row in _ROWS}
