"""Kerbs and sidewalks along the rim of the carriageway."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulator.scenery.drivable import KERB_HEIGHT_M
from simulator.scenery.kerbs import Kerb
from simulator.scenery.meshes import Look, MeshBuilder
from simulator.types import F64, Material, Tag

KERB = Look(Material.KERB, Tag.SIDEWALKS, (150, 149, 145))
PAVING = Look(Material.PAVING, Tag.SIDEWALKS, (163, 158, 150))
_KERB_TOP_M = 0.18
_FOOT_M = 0.3


def lay_sidewalks(kerbs: Sequence[Kerb]) -> MeshBuilder:
    """All kerb stones and sidewalks."""
    builder = MeshBuilder()
    for kerb in kerbs:
        top = np.minimum(_KERB_TOP_M, kerb.width)
        face = [kerb.offset(0.0, -0.08), kerb.offset(0.0, KERB_HEIGHT_M)]
        rim = kerb.offset(top, KERB_HEIGHT_M)
        outer = kerb.offset(kerb.width, KERB_HEIGHT_M)
        foot = kerb.offset(kerb.width + 0.02, -_FOOT_M)
        along = np.append(kerb.along, kerb.length)
        builder.ribbon(face[0], face[1], KERB, _band_uvs(along, 0.0, 0.23))
        builder.ribbon(face[1], rim, KERB, _band_uvs(along, 0.23, 0.41))
        builder.ribbon(rim, outer, PAVING, _flat_uvs(rim, outer))
        builder.ribbon(outer, foot, KERB, _band_uvs(along, 0.0, 0.45))
    return builder


def _band_uvs(along: F64, low: float, high: float) -> F64:
    a = np.column_stack([along, np.full_like(along, low)])
    b = np.column_stack([along, np.full_like(along, high)])
    return np.stack([a[:-1], b[:-1], b[1:], a[1:]], 1)


def _flat_uvs(left: F64, right: F64) -> F64:
    corners = np.stack([left[:-1], right[:-1], right[1:], left[1:]], 1)
    return np.asarray(corners[..., :2])
