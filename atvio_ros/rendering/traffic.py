"""Moving vehicles: oncoming ones, one ahead, and on a motorway those that overtake or are overtaken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atvio_ros.rendering import vehicles
from atvio_ros.rendering.mesh import Light, Quads, place, quads, shade
from atvio_ros.rendering.road import Road
from atvio_ros.rendering.textures import Textures
from atvio_ros.rendering.zones import MOTORWAY
from atvio_ros.types import FloatArray

VISIBLE_M = (-15.0, 220.0)  # behind and ahead of the camera
SAFE_M = 6.0  # a vehicle nearer to the camera than this is not drawn


@dataclass(frozen=True)
class Vehicle:
    """One moving vehicle: its shape and where it is along the road at given times."""

    shape: Quads
    left_m: float
    times_s: FloatArray  # (K,)
    way_m: FloatArray  # (K,)

    @property
    def reversed(self) -> bool:
        """Whether it comes towards the camera's direction of travel."""
        return bool(self.way_m[-1] < self.way_m[0])


class Traffic:
    """All moving vehicles of a drive."""

    def __init__(
        self,
        road: Road,
        times_s: FloatArray,
        light: Light,
        textures: Textures,
        rng: np.random.Generator,
        car_ahead_m: float | None = None,
    ) -> None:
        """`car_ahead_m`: the gap to a car that is ahead all the time; None: other vehicles come and go there."""
        self._road = road
        self._light = light
        self._times_s = times_s
        self.vehicles = _oncoming(road, times_s, textures, rng)
        if car_ahead_m is None:
            self.vehicles += _ahead(road, times_s, textures, rng)
        else:
            self.vehicles.append(_car_ahead(road, times_s, textures, rng, car_ahead_m))
        self.vehicles += _overtaking(road, times_s, textures, rng)

    def at(self, time_s: float, way_m: float) -> Quads:
        """Quadrilaterals of the vehicles near the camera, which is `way_m` along the road at `time_s`."""
        parts = []
        road = self._road
        for vehicle in self.vehicles:
            if not vehicle.times_s[0] <= time_s <= vehicle.times_s[-1]:
                continue
            where = float(np.interp(time_s, vehicle.times_s, vehicle.way_m))
            ahead = where - way_m
            if not VISIBLE_M[0] < ahead < VISIBLE_M[1] or (abs(ahead) < SAFE_M and abs(vehicle.left_m) < 2.4):
                continue
            x, y = road.beside(np.array([where]), np.array([vehicle.left_m]))[0]
            sample = int(np.clip(where, 1, len(road.centre) - 2))
            heights = np.interp(
                (where - 1.0, where, where + 1.0),
                (sample - 1, sample, sample + 1),
                road.centre[sample - 1 : sample + 2, 2],
            )
            z = float(heights[1])
            shape = vehicle.shape.copy()
            slope = (heights[2] - heights[0]) / 2 * (-1.0 if vehicle.reversed else 1.0)
            shape['position'][..., 2] += slope * shape['position'][..., 0]
            yaw = road.heading[sample] + (np.pi if vehicle.reversed else 0.0)
            parts.append(shade(place(shape, x, y, z, yaw), self._light))
        return np.concatenate(parts) if parts else np.zeros((0, 4), self._empty.dtype)

    @property
    def _empty(self) -> Quads:
        return quads(np.zeros((0, 4, 3)), np.zeros((4, 2)), (0.0, 0.0, 0.0), 0)


def with_shadow(shape: Quads, length: float, width: float) -> Quads:
    """Add the dark ground under a vehicle."""
    x, y = length / 2, width / 2 + 0.1
    dark = quads(
        np.array([[(-x, -y, 0.03), (x, -y, 0.03), (x, y, 0.03), (-x, y, 0.03)]]), np.zeros((4, 2)), (0.07,) * 3, 0
    )
    return np.concatenate((dark, shape))


def _shape(textures: Textures, rng: np.random.Generator, heavy: float) -> tuple[Quads, float]:
    """A vehicle and half its length [m]."""
    shape, length, width = vehicles.lorry(rng) if rng.random() < heavy else vehicles.car(textures, rng)
    return with_shadow(shape, length, width), length / 2


def _oncoming(road: Road, times_s: FloatArray, textures: Textures, rng: np.random.Generator) -> list[Vehicle]:
    """Vehicles in the other direction's nearest lane; each passes the camera once."""
    found = []
    way = float(road.image_way_m[0])
    while way < road.image_way_m[-1]:
        sample = int(way)
        zone = road.zone_at(sample)
        way += 12.0 + rng.exponential(120.0 / zone.traffic)
        if road.zone[sample] == MOTORWAY or road.drive_left[sample] < 3.8:
            continue
        meets_s = float(np.interp(way, road.image_way_m, times_s))
        speed = max(4.0, road.speed[sample] * rng.uniform(0.7, 1.2))
        times = np.array((meets_s - 14.0, meets_s + 4.0))
        lane = (road.drive_left[sample] + road.drive_right[sample]) / 2 - 0.1
        found.append(Vehicle(_shape(textures, rng, 0.12)[0], float(lane), times, way - speed * (times - meets_s)))
    return found


def _ahead(road: Road, times_s: FloatArray, textures: Textures, rng: np.random.Generator) -> list[Vehicle]:
    """Vehicles that drive ahead for a while."""
    found = []
    start = float(times_s[0])
    while start < times_s[-1]:
        duration = rng.uniform(10.0, 50.0)
        way = float(np.interp(start, times_s, road.image_way_m))
        zone = road.zone_at(int(way))
        if rng.random() < 0.22 * zone.traffic:
            times = np.arange(start, min(start + duration, times_s[-1]), 0.5)
            shape, half = _shape(textures, rng, 0.15)
            gap = half + rng.uniform(8.0, 45.0) + 4.0 * np.sin(times * rng.uniform(0.1, 0.4) + rng.uniform(0.0, 6.0))
            gap += np.clip((times - times[0] - duration * 0.6) * rng.uniform(0.0, 4.0), 0.0, 300.0)  # pulls away
            ego = np.interp(times, times_s, road.image_way_m)
            if len(times) > 2:
                found.append(Vehicle(shape, rng.normal(0.0, 0.15), times, ego + gap))
        start += duration * rng.uniform(0.5, 1.0)
    return found


def _car_ahead(road: Road, times_s: FloatArray, textures: Textures, rng: np.random.Generator, gap_m: float) -> Vehicle:
    """One car from the first image to the last, its rear `gap_m` ahead of the camera, a tenth of that more or less."""
    times = np.arange(times_s[0] - 0.5, times_s[-1] + 1.0, 0.05)
    shape, length, width = vehicles.car(textures, rng)
    ripples = sum(np.sin(times * rate + rng.uniform(0.0, 2 * np.pi)) for rate in rng.uniform(0.15, 0.7, 3)) / 3
    ego = np.interp(times, times_s, road.image_way_m)
    return Vehicle(with_shadow(shape, length, width), 0.0, times, ego + length / 2 + gap_m * (1.0 + 0.1 * ripples))


def _overtaking(road: Road, times_s: FloatArray, textures: Textures, rng: np.random.Generator) -> list[Vehicle]:
    """On motorways, slower vehicles to the right and faster ones to the left."""
    found = []
    for lane, factor, heavy in ((3.6, 1.2, 0.0), (-3.6, 0.85, 0.5)):
        way = float(road.image_way_m[0])
        while way < road.image_way_m[-1]:
            way += 30.0 + rng.exponential(130.0)
            sample = min(int(way), len(road.zone) - 1)
            room = road.drive_left[sample] if lane > 0 else road.drive_right[sample]
            if road.zone[sample] == MOTORWAY and room > 5.0:
                meets_s = float(np.interp(way, road.image_way_m, times_s))
                speed = road.speed[sample] * factor * rng.uniform(0.95, 1.1)
                times = np.array((meets_s - 30.0, meets_s + 30.0))
                found.append(Vehicle(_shape(textures, rng, heavy)[0], lane, times, way + speed * (times - meets_s)))
    return found
