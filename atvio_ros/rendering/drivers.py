"""Who drives a procedural drive, and on what roads: cars in districts, robots at a speed, who conditions ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from atvio_ros.rendering.conditions import Conditions

LATERAL_LIMIT = 2.3  # m/s^2, a careful driver's


@dataclass(frozen=True)
class District:
    """How roads and drivers behave in one kind of surroundings. Pairs are ranges to draw from."""

    speed: tuple[float, float]  # m/s
    straight: tuple[float, float]  # m between two bends
    radius: tuple[float, float]  # m
    angle_deg: tuple[float, float]
    junctions: float  # share of the bends that are turns at a junction, 6 to 13 m in radius
    stops: float  # share of the straights that end in a stop
    slope: float  # typical rise per metre


DISTRICTS = {
    'town': District((7.0, 13.0), (40.0, 170.0), (25.0, 90.0), (10.0, 45.0), 0.55, 0.22, 0.012),
    'suburb': District((6.5, 11.0), (30.0, 120.0), (20.0, 70.0), (15.0, 70.0), 0.4, 0.12, 0.03),
    'country': District((12.0, 17.0), (40.0, 250.0), (60.0, 350.0), (8.0, 50.0), 0.05, 0.04, 0.035),
    'motorway': District((21.0, 25.0), (150.0, 500.0), (350.0, 1200.0), (5.0, 30.0), 0.0, 0.0, 0.015),
}
DISTRICT_SHARES = (0.4, 0.3, 0.2, 0.1)


@dataclass(frozen=True)
class Driver:
    """Where and how somebody drives. By default as people drive cars."""

    districts: tuple[District, ...] = tuple(DISTRICTS.values())
    shares: tuple[float, ...] = DISTRICT_SHARES
    size: float = 1.0  # of all that is laid out in metres along the way, in that of a car
    ease: float = 1.0  # accelerations and ride, in those of a car
    mean_speed: float | None = None  # m/s while moving; None: as the districts have it


def driver_at(mean_speed: float) -> Driver:
    """Somebody who moves at `mean_speed` [m/s] everywhere: at 1 a robot on a pavement, at 25 a car on a motorway."""
    size = float(np.clip(mean_speed / 10.0, 0.2, 3.0))
    wide = max(size, size**2)  # fast roads bend gently: v^2 / r stays
    fast = mean_speed > 15.0
    district = District(
        speed=(0.85 * mean_speed, 1.15 * mean_speed),
        straight=(40.0 * size, 170.0 * size),
        radius=(max(4.0, 25.0 * wide), max(10.0, 90.0 * wide)),
        angle_deg=(10.0, 30.0 if fast else 60.0),
        junctions=0.3 * float(np.clip((12.0 - mean_speed) / 8.0, 0.0, 1.0)),
        stops=0.0 if fast else 0.3,
        slope=0.015,
    )
    return Driver((district,), (1.0,), min(1.0, size), float(np.clip(mean_speed / 8.0, 0.35, 1.0)), mean_speed)


def driver_under(conditions: Conditions, mean_speed: float | None) -> Driver:
    """Who drives under the conditions, at `mean_speed` [m/s] or, with None, as the conditions and districts have it."""
    mean_speed = conditions.speed if mean_speed is None else mean_speed
    driver = Driver() if mean_speed is None else driver_at(mean_speed)
    if mean_speed is None and conditions.surroundings != 'any':
        place = {'avenue': 'town'}.get(conditions.surroundings, conditions.surroundings)
        driver = replace(driver, districts=(DISTRICTS[place],), shares=(1.0,))
    changes: dict[str, Any] = {}
    if conditions.surroundings == 'motorway':  # bends that are driven at full speed
        fastest = 1.2 * (mean_speed or DISTRICTS['motorway'].speed[1])
        gentle = fastest**2 / (0.8 * LATERAL_LIMIT)
        changes |= {'straight': (150.0, 500.0), 'radius': (gentle, 3.0 * gentle), 'angle_deg': (3.0, 20.0)}
        changes |= {'junctions': 0.0, 'stops': 0.0}
    if conditions.bend_radius is not None:
        r = conditions.bend_radius
        changes |= {
            'straight': (r, 4.0 * r),
            'radius': (0.9 * r, 1.2 * r),
            'angle_deg': (50.0, 110.0),
            'junctions': 0.0,
        }
    if conditions.slope:
        changes['slope'] = conditions.slope
    if conditions.stops is not None:
        changes['stops'] = conditions.stops
    return replace(driver, districts=tuple(replace(district, **changes) for district in driver.districts))
