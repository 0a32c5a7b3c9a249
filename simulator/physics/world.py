"""The bodies of an episode: what to do with them, and one step of time for all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from simulator.physics import boxes as bx
from simulator.physics import kernel as k
from simulator.physics.bodies import BodyState, Contact, Vector, VehicleInput, VehicleSpec
from simulator.physics.collisions import (
    HITS,
    POINT_X,
    POINT_Y,
    SUM_X,
    SUM_Y,
    advance,
    box_of,
    find_pairs,
)
from simulator.physics.motion import steering_curve
from simulator.physics.settling import DROP_M, SETTLE_S, settle, sides_of
from simulator.types import Obstacle, Pose

F64 = NDArray[np.float64]
Ground = Callable[[F64], F64]  # heights at points (N, 3): x, y, and z near which to look; m

WALKER_MASS_KG = 75.0
GEAR_SPEEDS = (4.5, 9.0, 15.0, 22.0)  # m/s where the automatic shifts up
JUMP_MPS = 4.2  # what Unreal gives its characters
LARGEST = 1e8  # of any number of a body's state
# The 70 degrees of CARLA's vehicles belong to the inner wheel. The bicycle model that World on
# Rails (Chen et al. 2021) fitted to CARLA turns as a single front wheel of 46 degrees does. The
# longer the wheel base, the less do inner and single wheel differ (Ackermann's geometry).
SINGLE_WHEEL_SHARE = 0.65
_SHARE_PER_M, _SHARE_FROM_M, _SHARE_MAX = 0.13, 3.0, 0.95
LIFTS_S = 0.1  # what without weight is above the ground by then leaves it


def _inertia(spec: VehicleSpec) -> float:
    """Yaw inertia of a box of that size, kg m^2."""
    length, width = 2.0 * spec.half_extent[0], 2.0 * spec.half_extent[1]
    return spec.mass_kg * (length * length + width * width) / 12.0


def _lock(spec: VehicleSpec) -> float:
    """Angle of the single front wheel at full steering, rad."""
    extra = _SHARE_PER_M * max(spec.wheelbase_m - _SHARE_FROM_M, 0.0)
    return math.radians(spec.max_steer_deg) * min(SINGLE_WHEEL_SHARE + extra, _SHARE_MAX)


def _vehicle_row(spec: VehicleSpec) -> F64:
    # A wheel base longer than the car would put the axles outside of the body.
    wheelbase = max(min(spec.wheelbase_m, 2.0 * spec.half_extent[0]), 0.5)
    tail = (spec.mass_kg, _inertia(spec), wheelbase, _lock(spec), spec.drag)
    engine = (spec.peak_accel, spec.power_w, spec.brake_decel, spec.grip, float(k.VEHICLE))
    return np.array([*spec.half_extent, *spec.box_center, *tail, *engine, spec.corner_cut_m])


def _plain_row(kind: int, half_extent: Vector, box_z: float) -> F64:
    row = np.zeros(k.SPEC_COLUMNS)
    row[k.HALF_X : k.HALF_Z + 1] = half_extent
    row[k.BOX_Z] = box_z
    row[k.MASS], row[k.INERTIA], row[k.KIND] = WALKER_MASS_KG, 1.0, kind
    return row


class Physics:
    """Vehicles, walkers and props on a ground, among obstacles that do not move.

    Deterministic: bodies are treated in the order in which they were added, keys do not matter.
    """

    def __init__(self, obstacles: Sequence[Obstacle], ground: Ground) -> None:
        self._grid = bx.build_grid(obstacles)
        self._ground = ground
        self._rows: dict[int, int] = {}
        self._orders: list[VehicleInput] = []
        self._state = np.zeros((0, k.STATE_COLUMNS))
        self._spec = np.zeros((0, k.SPEC_COLUMNS))
        self._command = np.zeros((0, k.INPUT_COLUMNS))
        self._acceleration = np.zeros((0, 3))  # m/s^2, in the last step
        self._weightless: set[int] = set()  # keys

    def replace_obstacles(self, obstacles: Sequence[Obstacle]) -> None:
        """Let other obstacles stand in the way from now on; bodies stay as they are."""
        self._grid = bx.build_grid(obstacles)

    def add_vehicle(self, key: int, pose: Pose, spec: VehicleSpec) -> None:
        """Add a vehicle at rest; above the ground it falls in the next steps."""
        self._add(key, pose, _vehicle_row(spec))

    def add_walker(self, key: int, pose: Pose, half_extent: Vector) -> None:
        """Add a walker; CARLA's walkers have their origin in the middle of the body."""
        self._add(key, pose, _plain_row(k.WALKER, half_extent, 0.0))

    def add_prop(self, key: int, pose: Pose, half_extent: Vector) -> None:
        """Add a thing that moves only by teleport."""
        self._add(key, pose, _plain_row(k.PROP, half_extent, half_extent[2]))

    def _add(self, key: int, pose: Pose, spec: F64) -> None:
        if key in self._rows:
            raise ValueError(f"body {key} exists already")
        self._rows[key] = len(self._state)
        self._state = np.vstack([self._state, np.zeros((1, k.STATE_COLUMNS))])
        self._spec = np.vstack([self._spec, spec[None]])
        command = np.zeros((1, k.INPUT_COLUMNS))
        command[0, [k.GEAR_SIGN, k.SIMULATED, k.COLLIDES]] = 1.0
        self._command = np.vstack([self._command, command])
        self._acceleration = np.vstack([self._acceleration, np.zeros((1, 3))])
        self._orders.append(VehicleInput())
        self.teleport(key, pose)

    def remove(self, key: int) -> None:
        """Forget a body."""
        row = self._rows.pop(key)
        self._weightless.discard(key)
        self._state = np.delete(self._state, row, axis=0)
        self._spec = np.delete(self._spec, row, axis=0)
        self._command = np.delete(self._command, row, axis=0)
        self._acceleration = np.delete(self._acceleration, row, axis=0)
        del self._orders[row]
        self._rows = {key: i for i, key in enumerate(self._rows)}

    def set_spec(self, key: int, spec: VehicleSpec) -> None:
        """Give a vehicle other properties."""
        self._spec[self._rows[key]] = _vehicle_row(spec)

    def set_lock_share(self, key: int, spec: VehicleSpec, share: float) -> None:
        """Let a vehicle turn its wheels to a share of the full lock at its present speed.

        Args:
            key: of the vehicle.
            spec: its properties.
            share: in place of the built-in steering curve's.
        """
        row = self._rows[key]
        u = math.hypot(self._state[row, k.VX], self._state[row, k.VY])
        self._spec[row, k.MAX_STEER] = _lock(spec) * share / steering_curve(u)

    def control(self, key: int, order: VehicleInput) -> None:
        """Set what the driver does until the next order."""
        row = self._rows[key]
        self._orders[row] = order
        sign = -1.0 if order.reverse else 1.0
        if order.manual_gear_shift:
            sign = float(np.sign(order.gear))
        values = (order.throttle, order.steer, order.brake, float(order.hand_brake), sign)
        self._command[row, : k.GEAR_SIGN + 1] = values

    def walk(self, key: int, direction: Vector, speed: float) -> None:
        """Set a walker's direction (any length, world frame) and speed (m/s)."""
        length = math.hypot(direction[0], direction[1])
        scale = speed / length if length > 1e-6 else 0.0
        row = self._command[self._rows[key]]
        row[k.WALK_X], row[k.WALK_Y] = direction[0] * scale, direction[1] * scale

    def jump(self, key: int) -> None:
        """Let a walker leave the ground, if it stands on it."""
        state = self._state[self._rows[key]]
        if state[k.Z] <= state[k.GROUND] + DROP_M:
            state[k.VZ] = JUMP_MPS

    def teleport(self, key: int, pose: Pose) -> None:
        """Place a body; its velocity stays."""
        state = self._state[self._rows[key]]
        state[k.X], state[k.Y], state[k.Z] = pose.x, pose.y, pose.z
        state[k.PITCH], state[k.YAW], state[k.ROLL] = np.radians([pose.pitch, pose.yaw, pose.roll])
        self._settle(np.array([self._rows[key]]), 1.0)

    def set_velocity(self, key: int, velocity: Vector) -> None:
        """Set the velocity in the world frame, m/s."""
        self._state[self._rows[key], k.VX : k.VZ + 1] = velocity

    def set_angular_velocity(self, key: int, velocity: Vector) -> None:
        """Set the angular velocity, deg/s; only yaw is a degree of freedom."""
        self._state[self._rows[key], k.YAW_RATE] = math.radians(velocity[2])

    def set_constant_velocity(self, key: int, velocity: Vector | None) -> None:
        """Hold a velocity in the body's own frame (m/s) until None."""
        row = self._command[self._rows[key]]
        row[k.CONSTANT] = float(velocity is not None)
        row[k.CONSTANT_X], row[k.CONSTANT_Y] = velocity[:2] if velocity else (0.0, 0.0)

    def set_simulate(self, key: int, on: bool) -> None:
        """Switch physics of a body; without it the body holds its place, teleports still work."""
        self._command[self._rows[key], k.SIMULATED] = float(on)

    def set_gravity(self, key: int, on: bool) -> None:
        """Switch the weight of a body: without it, what is in the air keeps its vertical speed."""
        if on:
            self._weightless.discard(key)
        else:
            self._weightless.add(key)

    def set_collisions(self, key: int, on: bool) -> None:
        """Switch the contacts of a body with everything but the ground."""
        self._command[self._rows[key], k.COLLIDES] = float(on)

    def add_impulse(self, key: int, impulse: Vector) -> None:
        """Push once, N s in the world frame."""
        row = self._rows[key]
        change = np.array(impulse) / self._spec[row, k.MASS]
        self._state[row, k.VX : k.VZ + 1] += change
        if self._spec[row, k.KIND] == k.WALKER:
            self._state[row, k.PUSH_X : k.PUSH_Y + 1] += change[:2]

    def add_force(self, key: int, force: Vector) -> None:
        """Pull with a force (N, world frame) during the next step."""
        self._command[self._rows[key], k.FORCE_X : k.FORCE_Y + 1] += force[:2]

    def add_angular_impulse(self, key: int, impulse: Vector) -> None:
        """Twist once, kg m^2 deg/s as in CARLA; only yaw is a degree of freedom."""
        row = self._rows[key]
        twist = math.radians(impulse[2]) / self._spec[row, k.INERTIA]
        self._state[row, k.YAW_RATE] += twist

    def bodies(self) -> dict[int, BodyState]:
        """Where all bodies are and how they move; in one go, as this takes longer than a step."""
        state = self._state
        turned = np.degrees(state[:, [k.PITCH, k.YAW, k.ROLL, k.YAW_RATE, k.STEER]])
        yaw = (turned[:, 1] + 180.0) % 360.0 - 180.0
        turned[:, 1] = np.where(yaw == -180.0, 180.0, yaw)  # as spawn points have it
        speed = np.hypot(state[:, k.VX], state[:, k.VY])
        gears = 1 + np.searchsorted(GEAR_SPEEDS, speed)
        places = state[:, [k.X, k.Y, k.Z, k.VX, k.VY, k.VZ]].tolist()
        numbers = (places, turned.tolist(), self._acceleration.tolist(), gears.tolist())
        found = {}
        for key, order, place, turn, pull, gear in zip(
            self._rows, self._orders, *numbers, strict=True
        ):
            x, y, z, vx, vy, vz = place
            pitch, yaw, roll, spin, steer = turn
            ax, ay, az = pull
            if order.manual_gear_shift or order.reverse:
                gear = order.gear if order.manual_gear_shift else -1
            pose = Pose(x, y, z, pitch, yaw, roll)
            found[key] = BodyState(pose, (vx, vy, vz), (0.0, 0.0, spin), (ax, ay, az), gear, steer)
        return found

    def overlaps(self, pose: Pose, half_extent: Vector, box_center: Vector) -> bool:
        """Whether a vehicle-like box would touch a body or an obstacle."""
        spec, state = _plain_row(k.VEHICLE, half_extent, 0.0), np.zeros(k.STATE_COLUMNS)
        spec[k.BOX_X : k.BOX_Z + 1] = box_center
        state[k.X], state[k.Y], state[k.Z] = pose.x, pose.y, pose.z
        state[k.YAW] = math.radians(pose.yaw)
        own, other, hit = np.zeros(bx.BOX_COLUMNS), np.zeros(bx.BOX_COLUMNS), np.zeros(5)
        box_of(state, spec, own)
        reach = float(np.hypot(half_extent[0], half_extent[1]) + np.hypot(*box_center[:2]))
        boxes = self._grid.boxes
        if len(boxes):
            stamps = np.full(len(boxes), -1, np.int64)
            near = bx.near_boxes(self._grid, pose.x, pose.y, reach, stamps, 0)
            if any(bx.touch(own, boxes[i], hit) for i in near):
                return True
        for body_state, body_spec in zip(self._state, self._spec, strict=True):
            box_of(body_state, body_spec, other)
            if bx.touch(own, other, hit):
                return True
        return False

    def step(self, dt: float, substeps: int) -> list[Contact]:
        """Advance simulated time; returns what touched, in the order of the bodies.

        Args:
            dt: length of the step, s.
            substeps: into how many equal parts it is cut; 0.01 s each is what vehicles want.
        """
        start = self._state.copy()
        before = start[:, k.VX : k.VZ + 1]
        pairs = find_pairs(self._state, self._spec, self._command, self._grid, dt)
        floating = self._floating()
        args = (self._state, self._spec, self._command, self._grid, pairs)
        totals = advance(*args, dt, max(substeps, 1))
        for lifted in floating:
            self._state[lifted, k.VZ] = start[lifted, k.VZ]
            self._state[lifted, k.Z] = start[lifted, k.Z] + start[lifted, k.VZ] * dt
        self._command[:, k.FORCE_X : k.FORCE_Y + 1] = 0.0
        if not np.abs(self._state).max(initial=0.0) < LARGEST:
            self._hold_back(start)
        moved = np.abs(self._state[:, k.VX : k.YAW_RATE + 1]).max(axis=1, initial=0.0) > 1e-4
        raised = self._state[:, k.Z] > self._state[:, k.GROUND] + 1e-4
        moved |= raised
        moved[list(floating)] = False
        self._settle(np.flatnonzero(moved), 1.0 - math.exp(-dt / SETTLE_S))
        self._acceleration = (self._state[:, k.VX : k.VZ + 1] - before) / dt
        return self._contacts(pairs, totals)

    def _floating(self) -> tuple[int, ...]:
        """Rows of the weightless bodies that are in the air or about to leave the ground."""
        if not self._weightless:
            return ()
        rows = [self._rows[key] for key in sorted(self._weightless)]
        above = self._state[:, k.Z] - self._state[:, k.GROUND]
        return tuple(
            row
            for row in rows
            if self._command[row, k.SIMULATED] != 0.0
            and above[row] + self._state[row, k.VZ] * LIFTS_S > DROP_M
        )

    def _hold_back(self, start: F64) -> None:
        """Stop bodies whose numbers overflow, where they were: a NaN would spread to the others."""
        for row in np.flatnonzero(~(np.abs(self._state) < LARGEST).all(axis=1)):
            self._state[row] = np.where(np.abs(start[row]) < LARGEST, start[row], 0.0)
            self._state[row, k.VX : k.YAW_RATE + 1] = 0.0
            self._state[row, [k.PUSH_X, k.PUSH_Y]] = 0.0

    def _contacts(self, pairs: NDArray[np.int64], totals: F64) -> list[Contact]:
        hits = np.flatnonzero(totals[:, HITS])
        if not len(hits):
            return []
        keys = list(self._rows)
        found = []
        heights = self._state[:, k.Z] + self._spec[:, k.BOX_Z]
        sums = totals[hits][:, [SUM_X, SUM_Y, POINT_X, POINT_Y]]
        rows = zip(
            pairs[hits].tolist(), sums.tolist(), heights[pairs[hits, 0]].tolist(), strict=True
        )
        for (i, j), (x, y, point_x, point_y), height in rows:
            point = (point_x, point_y, height)
            if j < 0:
                found.append(Contact(keys[i], None, -1 - j, (x, y, 0.0), point))
                continue
            found.append(Contact(keys[i], keys[j], None, (x, y, 0.0), point))
            found.append(Contact(keys[j], keys[i], None, (-x, -y, 0.0), point))
        return found

    def _settle(self, rows: NDArray[np.int64], share: float) -> None:
        """Read the ground below bodies; let height and tilt go a share of the way to it."""
        heights = self._ground(sides_of(self._state, self._spec, rows))
        settle(self._state, self._spec, self._command, rows, heights, share)
