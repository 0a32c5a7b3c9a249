"""Contacts between moving bodies and with obstacles: pairs, impulses, separation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from simulator.physics import boxes as bx
from simulator.physics import kernel as k
from simulator.physics.boxes import Grid
from simulator.physics.kernel import compiled
from simulator.physics.motion import move

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Moving = tuple[float, float, float, float, float]  # offset x, y; velocity x, y; yaw rate
Masses = tuple[float, float, float, float]

RESTITUTION = 0.12  # steel bodies that crumple
FRICTION = 0.4  # body against body or wall
GROUND_CLEARANCE = 0.15  # m: a vehicle passes over what is lower
BOUNCE_FROM = 1.0  # m/s: slower hits do not bounce

# Columns of a pair's sums: impulse on the first body x, y (N s); contact point x, y; hits.
(SUM_X, SUM_Y, POINT_X, POINT_Y, HITS) = range(5)


@compiled
def _lay_down(state: F64, spec: F64, up: float, box: F64) -> None:
    """The world box of a vehicle on its side or roof: the room that the rolled box needs."""
    lean = math.sin(state[k.ROLL])
    aside = -lean * spec[k.BOX_Z]  # of the centre, to the right
    box[bx.BOX_CX] -= aside * box[bx.BOX_SIN]
    box[bx.BOX_CY] += aside * box[bx.BOX_COS]
    box[bx.BOX_HY] = abs(up) * spec[k.HALF_Y] + abs(lean) * spec[k.HALF_Z]
    box[bx.BOX_RADIUS] = math.hypot(box[bx.BOX_HX], box[bx.BOX_HY])
    middle = state[k.Z] + up * spec[k.BOX_Z]
    half = abs(up) * spec[k.HALF_Z] + abs(lean) * spec[k.HALF_Y]
    box[bx.BOX_LOW], box[bx.BOX_HIGH] = middle - half + GROUND_CLEARANCE, middle + half


@compiled
def box_of(state: F64, spec: F64, box: F64) -> None:
    """Write the world box of a body."""
    cos, sin = math.cos(state[k.YAW]), math.sin(state[k.YAW])
    box[bx.BOX_CX] = state[k.X] + spec[k.BOX_X] * cos - spec[k.BOX_Y] * sin
    box[bx.BOX_CY] = state[k.Y] + spec[k.BOX_X] * sin + spec[k.BOX_Y] * cos
    box[bx.BOX_COS], box[bx.BOX_SIN] = cos, sin
    box[bx.BOX_HX], box[bx.BOX_HY] = spec[k.HALF_X], spec[k.HALF_Y]
    up = math.cos(state[k.ROLL])
    if spec[k.KIND] == k.VEHICLE and up < k.UPRIGHT:
        _lay_down(state, spec, up, box)
        return
    middle = state[k.Z] + spec[k.BOX_Z]
    low = middle - spec[k.HALF_Z]
    box[bx.BOX_LOW] = max(low, state[k.Z] + GROUND_CLEARANCE) if spec[k.KIND] == k.VEHICLE else low
    box[bx.BOX_HIGH] = middle + spec[k.HALF_Z]
    box[bx.BOX_RADIUS] = math.hypot(spec[k.HALF_X], spec[k.HALF_Y])
    box[bx.BOX_CUT] = spec[k.CUT]


@compiled
def _extents(state: F64, spec: F64) -> F64:
    """How far from its origin each body reaches (m), its speed (m/s), x and y (m): (N, 4)."""
    found = np.empty((len(state), 4))
    for i in range(len(state)):
        found[i, 0] = math.hypot(spec[i, k.HALF_X], spec[i, k.HALF_Y]) + abs(spec[i, k.BOX_X])
        found[i, 1] = math.hypot(state[i, k.VX], state[i, k.VY])
        found[i, 2], found[i, 3] = state[i, k.X], state[i, k.Y]
    return found


@compiled
def find_pairs(state: F64, spec: F64, command: F64, grid: Grid, dt: float) -> I64:
    """Pairs that could touch within the step: (P, 2), obstacles as -1 - index; body order."""
    count = len(state)
    extents = _extents(state, spec)
    stamps = np.full(len(grid.boxes), -1, np.int64)
    pairs = np.empty((64, 2), np.int64)
    none = np.empty(0, np.int64)
    used = 0
    for i in range(count):
        if command[i, k.COLLIDES] == 0.0:
            continue
        near = none
        # Room for what full throttle, a push or a chain of hits may add within the step.
        if spec[i, k.KIND] != k.PROP and len(grid.boxes) > 0:
            reach = extents[i, 0] + (extents[i, 1] + 10.0) * dt
            near = bx.near_boxes(grid, state[i, k.X], state[i, k.Y], reach, stamps, i)
        while used + len(near) + count > len(pairs):
            grown = np.empty((len(pairs) * 2, 2), np.int64)
            for p in range(used):  # one by one: numba takes seconds to compile a copy of slices
                grown[p, 0], grown[p, 1] = pairs[p, 0], pairs[p, 1]
            pairs = grown
        for j in range(i + 1, count):
            room = extents[i, 0] + extents[j, 0] + (extents[i, 1] + extents[j, 1] + 10.0) * dt
            dx, dy = abs(extents[i, 2] - extents[j, 2]), abs(extents[i, 3] - extents[j, 3])
            if dx > room or dy > room or command[j, k.COLLIDES] == 0.0:
                continue
            has_vehicle = spec[i, k.KIND] == k.VEHICLE or spec[j, k.KIND] == k.VEHICLE
            if has_vehicle and math.hypot(dx, dy) <= room:
                pairs[used, 0], pairs[used, 1] = i, j
                used += 1
        for item in near:
            pairs[used, 0], pairs[used, 1] = i, -1 - item
            used += 1
    return pairs[:used]


@compiled
def _inverse_mass(spec: F64, command: F64) -> tuple[float, float]:
    if spec[k.KIND] == k.PROP or command[k.SIMULATED] == 0.0:
        return 0.0, 0.0
    if spec[k.KIND] == k.WALKER:
        return 1.0 / spec[k.MASS], 0.0
    return 1.0 / spec[k.MASS], 1.0 / spec[k.INERTIA]


@compiled
def _impulse(a: Moving, b: Moving, hit: F64, masses: Masses) -> tuple[float, float]:
    """Normal and tangential impulse (N s) of bodies that approach; zero when they part.

    Args:
        a: position offset x, y and velocity x, y, yaw rate of the first body at the contact.
        b: the same of the second.
        hit: normal and depth.
        masses: inverse mass of the first and the second, then their inverse inertia.
    """
    nx, ny = hit[0], hit[1]
    vx = b[2] - b[4] * b[1] - a[2] + a[4] * a[1]
    vy = b[3] + b[4] * b[0] - a[3] - a[4] * a[0]
    approach = vx * nx + vy * ny
    if approach >= 0.0:
        return 0.0, 0.0
    linear = masses[0] + masses[1]
    arm_a, arm_b = a[0] * ny - a[1] * nx, b[0] * ny - b[1] * nx
    bounce = RESTITUTION if approach < -BOUNCE_FROM else 0.0
    give = linear + arm_a * arm_a * masses[2] + arm_b * arm_b * masses[3]
    normal = -(1.0 + bounce) * approach / give
    arm_a, arm_b = a[0] * nx + a[1] * ny, b[0] * nx + b[1] * ny
    give = linear + arm_a * arm_a * masses[2] + arm_b * arm_b * masses[3]
    slide = -vx * ny + vy * nx
    return normal, min(max(-slide / give, -FRICTION * normal), FRICTION * normal)


@compiled
def _kick(
    state: F64, spec: F64, at: Moving, jx: float, jy: float, mass: float, inertia: float
) -> None:
    """Change the motion of a body of inverse `mass` and `inertia` by an impulse."""
    state[k.VX] += jx * mass
    state[k.VY] += jy * mass
    state[k.YAW_RATE] += (at[0] * jy - at[1] * jx) * inertia
    if spec[k.KIND] == k.WALKER:
        state[k.PUSH_X] += jx * mass
        state[k.PUSH_Y] += jy * mass


@compiled
def _at_contact(state: F64, hit: F64) -> Moving:
    x, y = hit[3] - state[k.X], hit[4] - state[k.Y]
    return x, y, state[k.VX], state[k.VY], state[k.YAW_RATE]


@compiled
def _respond(i: int, j: int, state: F64, spec: F64, command: F64, hit: F64, total: F64) -> None:
    """Exchange impulses and separate body `i` from body `j`, or from an obstacle (j < 0)."""
    mass_i, inertia_i = _inverse_mass(spec[i], command[i])
    mass_j, inertia_j = 0.0, 0.0
    a, b = _at_contact(state[i], hit), (0.0, 0.0, 0.0, 0.0, 0.0)
    if j >= 0:
        mass_j, inertia_j = _inverse_mass(spec[j], command[j])
        b = _at_contact(state[j], hit)
    movable = mass_i + mass_j
    if movable == 0.0:
        return
    normal, tangent = _impulse(a, b, hit, (mass_i, mass_j, inertia_i, inertia_j))
    jx = normal * hit[0] - tangent * hit[1]
    jy = normal * hit[1] + tangent * hit[0]
    if normal > 0.0:
        _kick(state[i], spec[i], a, -jx, -jy, mass_i, inertia_i)
        if j >= 0:
            _kick(state[j], spec[j], b, jx, jy, mass_j, inertia_j)
        total[SUM_X] -= jx
        total[SUM_Y] -= jy
        total[POINT_X], total[POINT_Y] = hit[3], hit[4]
        total[HITS] += 1.0
    apart = hit[2] / movable
    state[i, k.X] -= hit[0] * apart * mass_i
    state[i, k.Y] -= hit[1] * apart * mass_i
    if j >= 0:
        state[j, k.X] += hit[0] * apart * mass_j
        state[j, k.Y] += hit[1] * apart * mass_j


@compiled
def advance(
    state: F64, spec: F64, command: F64, grid: Grid, pairs: I64, dt: float, substeps: int
) -> F64:
    """Move every body through all substeps; returns the sums of each pair, (P, 5)."""
    totals = np.zeros((len(pairs), 5))
    boxes, hit = np.empty((len(state), bx.BOX_COLUMNS)), np.zeros(5)
    small = dt / substeps
    for _ in range(substeps):
        for i in range(len(state)):
            move(state[i], spec[i], command[i], small)
            box_of(state[i], spec[i], boxes[i])
        for p in range(len(pairs)):
            i, j = pairs[p, 0], pairs[p, 1]
            other = boxes[j] if j >= 0 else grid.boxes[-1 - j]
            if bx.touch(boxes[i], other, hit):
                _respond(i, j, state, spec, command, hit, totals[p])
                box_of(state[i], spec[i], boxes[i])
                if j >= 0:
                    box_of(state[j], spec[j], boxes[j])
    return totals
