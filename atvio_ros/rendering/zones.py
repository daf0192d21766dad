"""Kinds of surroundings, and which stretch of a road gets which."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from atvio_ros.rendering.conditions import SURROUNDINGS, Conditions
from atvio_ros.types import FloatArray


@dataclass(frozen=True)
class Zone:
    """What stands beside the road. Pairs are ranges to draw from, in metres; shares are probabilities."""

    name: str
    lane_m: tuple[float, float] = (3.1, 3.8)
    oncoming_lanes: tuple[int, int] = (1, 1)
    parking: float = 0.0  # share of the sides with a parking strip
    sidewalk_m: tuple[float, float] = (1.5, 3.0)
    kerb_m: float = 0.12
    setback_m: tuple[float, float] = (0.3, 3.0)  # of the buildings behind the sidewalk
    buildings: float = 0.0  # share of the frontage that is built on
    detached: float = 0.0  # share of buildings that stand alone, with gables and gardens
    storeys: tuple[int, int] = (2, 5)
    side_street_m: tuple[float, float] = (60.0, 160.0)
    street_trees: float = 0.0  # share of the sides that have a row of trees
    hedges: float = 0.0  # share of plot fronts with a hedge, a wall or a fence
    lamps: float = 0.0
    shrubs: float = 0.0  # bushes and trees a metre of road on each side
    forest: float = 0.0  # share of the stretches that run through a wood
    markings: float = 0.5  # share of roads with painted lines
    guard_rails: float = 0.0
    traffic: float = 1.0  # vehicles relative to a quiet town street
    roughness_m: float = 2.0  # relief of the land


ZONES = (
    Zone(
        'town',
        parking=0.75,
        buildings=0.92,
        detached=0.15,
        street_trees=0.45,
        hedges=0.25,
        lamps=0.8,
        shrubs=0.02,
        roughness_m=0.5,
    ),
    Zone(
        'suburb',
        lane_m=(2.9, 3.5),
        parking=0.5,
        sidewalk_m=(1.2, 2.4),
        setback_m=(2.5, 9.0),
        buildings=0.8,
        detached=0.85,
        storeys=(1, 3),
        street_trees=0.3,
        hedges=0.8,
        lamps=0.7,
        shrubs=0.07,
        markings=0.25,
        traffic=0.8,
        roughness_m=1.5,
    ),
    Zone(
        'avenue',
        lane_m=(3.1, 3.6),
        oncoming_lanes=(1, 2),
        parking=0.35,
        sidewalk_m=(2.0, 4.0),
        setback_m=(3.0, 14.0),
        buildings=0.6,
        detached=0.3,
        storeys=(2, 6),
        side_street_m=(80.0, 220.0),
        street_trees=0.8,
        hedges=0.4,
        lamps=0.95,
        shrubs=0.05,
        markings=0.95,
        traffic=1.8,
        roughness_m=0.8,
    ),
    Zone(
        'country',
        lane_m=(3.0, 3.5),
        sidewalk_m=(0.5, 1.0),
        kerb_m=0.0,
        setback_m=(10.0, 40.0),
        buildings=0.08,
        detached=1.0,
        storeys=(1, 2),
        side_street_m=(180.0, 600.0),
        street_trees=0.25,
        shrubs=0.1,
        forest=0.35,
        markings=0.8,
        guard_rails=0.15,
        roughness_m=5.0,
    ),
    Zone(
        'motorway',
        lane_m=(3.5, 3.75),
        sidewalk_m=(2.2, 3.0),
        kerb_m=0.0,
        setback_m=(30.0, 80.0),
        buildings=0.1,
        detached=0.3,
        storeys=(2, 5),
        side_street_m=(1e4, 1e5),
        shrubs=0.12,
        forest=0.3,
        markings=1.0,
        guard_rails=0.9,
        traffic=2.5,
        roughness_m=4.0,
    ),
)
TOWN, SUBURB, AVENUE, COUNTRY, MOTORWAY = range(len(ZONES))


def zones_under(conditions: Conditions) -> tuple[Zone, ...]:
    """The zones as the conditions change them, in the order of ZONES."""
    changes: dict[str, Any] = {}
    if conditions.kerbs:
        changes |= {'lane_m': (2.5, 2.8), 'oncoming_lanes': (0, 0), 'parking': 0.0, 'kerb_m': 0.12, 'markings': 0.0}
        changes |= {'sidewalk_m': (1.5, 2.5)}
    if conditions.open_land:
        changes |= {'forest': 0.0, 'street_trees': 0.0, 'buildings': 0.0, 'shrubs': 0.02, 'guard_rails': 0.0}
    if conditions.markings != 'ordinary':
        changes['markings'] = float(conditions.markings == 'lines')
    if conditions.tree_shadows:
        changes['street_trees'] = 1.0
    return tuple(replace(zone, **changes) for zone in ZONES)


def assign_zones(speed: FloatArray, rng: np.random.Generator, surroundings: str = 'any') -> NDArray[np.int64]:
    """Zone (S,) of each metre of road from the car's speed (S,) [m/s]: fast parts are open country, the rest drawn.

    `surroundings`: the name of the zone that is everywhere, or 'any'.
    """
    if surroundings != 'any':
        return np.full(len(speed), SURROUNDINGS.index(surroundings), np.int64)
    usual = gaussian_filter1d(maximum_filter1d(speed, 120), 60.0)
    zones = np.empty(len(speed), np.int64)
    start = 0
    shares = rng.dirichlet((1.6, 1.6, 1.0, 0.7))  # each drive has a character of its own
    while start < len(zones):
        end = start + int(rng.uniform(120.0, 420.0))
        zones[start:end] = rng.choice((TOWN, SUBURB, AVENUE, COUNTRY), p=shares)
        start = end
    open_road = (usual > 14.0) & (zones < COUNTRY) & (zones != AVENUE)
    zones[open_road] = COUNTRY if rng.random() < 0.6 else AVENUE
    zones[usual > 18.5] = MOTORWAY
    return zones
