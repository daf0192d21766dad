"""The world along one drive: land, road, things beside it and light, ready to be drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from atvio_ros.rendering import road as roads
from atvio_ros.rendering.appearance import Appearance, draw_appearance
from atvio_ros.rendering.conditions import ORDINARY, Conditions
from atvio_ros.rendering.ground import Ground, ground_batch, make_ground
from atvio_ros.rendering.items import Builder, Item
from atvio_ros.rendering.markings import paint_markings
from atvio_ros.rendering.mesh import Batch, Quads, place, shade
from atvio_ros.rendering.road import CHUNK_M, Road
from atvio_ros.rendering.scenery import plan
from atvio_ros.rendering.shadows import light_at, paint_shadows
from atvio_ros.rendering.sky import panorama
from atvio_ros.rendering.textures import Textures, make_textures
from atvio_ros.rendering.traffic import Traffic
from atvio_ros.rendering.trajectory import Motion
from atvio_ros.rendering.zones import AVENUE, MOTORWAY, SUBURB, TOWN, Zone, assign_zones, zones_under
from atvio_ros.types import FloatArray, ImageArray


@dataclass(frozen=True)
class World:
    """Everything a renderer needs, in batches sorted by chunk of road."""

    appearance: Appearance
    textures: ImageArray  # (L, size, size, 4)
    panorama: ImageArray  # (rows, columns, 3)
    shadows: ImageArray  # (rows, columns)
    ground: Batch
    solid: Batch  # large opaque things
    detail: Batch  # small opaque things, drawn only when near
    leaves: Batch  # see-through things
    traffic: Traffic | None
    image_way_m: FloatArray  # (N,) where along the road the camera is at each image
    items: tuple[Item, ...] = ()
    road: Road | None = None
    conditions: Conditions = ORDINARY
    asphalt_layers: tuple[int, int, int] = (0, 0, 0)  # first and last one of asphalt, and that of paint on it


def build_world(
    motion: Motion,
    T_base_camera: FloatArray,
    times_s: FloatArray,
    camera_height_m: float,
    seed: int,
    conditions: Conditions = ORDINARY,
) -> World:
    """The world along `motion` for images at times (N,) [s], from a camera `camera_height_m` above the road."""
    rng = np.random.default_rng(seed)
    appearance = draw_appearance(rng, conditions)
    textures = make_textures(rng).under(conditions)
    road, sidewalk_m = _lay_road(motion, T_base_camera, times_s, camera_height_m, rng, conditions)
    side_street = _side_streets(road, rng)
    zone_values = {
        name: np.array([getattr(zone, name) for zone in road.zones])[road.zone] for name in ('kerb_m', 'roughness_m')
    }
    kerb = gaussian_filter1d(zone_values['kerb_m'], 4.0)
    relief = gaussian_filter1d(zone_values['roughness_m'], 30.0)
    ground = make_ground(road, sidewalk_m, kerb, relief, side_street, rng)
    items = plan(road, sidewalk_m, side_street, rng, conditions)
    shadows = paint_shadows(road, items, appearance.light, rng)
    batches = _build_items(items, road, ground, textures, shadows, appearance)
    markings = paint_markings(road, ground, textures, appearance.light, rng, conditions)
    looks = _ground_looks(road, textures, rng)
    base = ground_batch(ground, textures, looks, appearance.light, rng)
    merged = _merge(base, markings, road.chunks)
    return World(
        appearance,
        textures.images,
        panorama(appearance, rng),
        shadows,
        merged,
        *batches,
        Traffic(road, times_s, appearance.light, textures, rng, conditions.car_ahead),
        road.image_way_m,
        tuple(items),
        road,
        conditions,
        (textures.layers['asphalt'][0], textures.layers['asphalt'][-1], textures.layers['line'][0]),
    )


def _lay_road(
    motion: Motion,
    T_base_camera: FloatArray,
    times_s: FloatArray,
    camera_height_m: float,
    rng: np.random.Generator,
    conditions: Conditions,
) -> tuple[Road, FloatArray]:
    centre, speed, way = roads.trace(motion, T_base_camera, times_s, camera_height_m)
    left_axis, curvature = roads.directions(centre)
    zone = assign_zones(speed, rng, conditions.surroundings)
    zones = zones_under(conditions)
    widths = np.zeros((len(centre), 6))  # drive left, right, paved left, right, sidewalk left, right
    start = 0
    while start < len(zone):
        end = start
        while end < len(zone) and zone[end] == zone[start] and end - start < 500:
            end += 1
        widths[start:end] = _widths(zones[zone[start]], zone[start] == MOTORWAY, rng)
        start = end
    widths = gaussian_filter1d(widths, 4.0, axis=0)
    drive_left, drive_right, paved_left, paved_right = widths[:, :4].T
    road = Road(
        centre,
        left_axis,
        curvature,
        speed,
        zone,
        drive_left,
        drive_right,
        paved_left,
        paved_right,
        way,
        cKDTree(centre[:, :2]),
        zones,
    )
    return road, widths[:, 4:]


def _widths(zone: Zone, motorway: bool, rng: np.random.Generator) -> tuple[float, ...]:
    lane = rng.uniform(*zone.lane_m)
    parking = rng.random(2) < zone.parking
    sidewalk = rng.uniform(*zone.sidewalk_m, 2)
    left = lane / 2 + lane * float(rng.integers(zone.oncoming_lanes[0], zone.oncoming_lanes[1] + 1))
    right = lane / 2
    if motorway:
        lanes_left, lanes_right = ((1, 0), (1, 1), (0, 1), (2, 0))[rng.integers(4)]
        left, right = lane * (0.5 + lanes_left) + 0.5, lane * (0.5 + lanes_right) + 2.5
    return left, right, left + 2.1 * parking[0], right + 2.1 * parking[1], sidewalk[0], sidewalk[1]


def _side_streets(road: Road, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Where (S, 2) a side street meets the road, on the left and on the right."""
    open_ways = np.zeros((len(road.centre), 2), bool)
    for side in (0, 1):
        way = rng.uniform(20.0, 80.0)
        while way < len(open_ways) - 20:
            zone = road.zone_at(int(way))
            width = int(rng.uniform(5.0, 9.0))
            if np.abs(road.curvature[int(way) : int(way) + width]).max() < 0.03 and road.zone[int(way)] != MOTORWAY:
                open_ways[int(way) : int(way) + width, side] = True
                if rng.random() < 0.35:
                    open_ways[int(way) : int(way) + width, 1 - side] = True
            way += rng.uniform(*zone.side_street_m)
    return open_ways


def _ground_looks(road: Road, textures: Textures, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Layer and tint (S, 2, 4) of each material along the road."""
    samples = len(road.centre)
    looks = {name: np.zeros((samples, 2, 4)) for name in ('asphalt', 'kerb', 'sidewalk', 'verge', 'land')}
    urban = (TOWN, SUBURB, AVENUE)
    start = 0
    while start < samples:
        end = min(samples, start + int(rng.uniform(80.0, 300.0)))
        zone = road.zone[start]
        for side in (0, 1):
            names = {
                'asphalt': 'asphalt',
                'kerb': 'plain',
                'sidewalk': 'paving' if zone in urban else 'grass',
                'verge': str(rng.choice(('grass', 'paving', 'soil', 'asphalt'), p=(0.5, 0.25, 0.1, 0.15)))
                if zone in urban
                else 'grass',
                'land': 'grass' if rng.random() < 0.7 else 'soil',
            }
            for material, name in names.items():
                if material == 'asphalt' and side == 1:
                    looks[material][start:end, 1] = looks[material][start:end, 0]
                    continue
                tint = rng.uniform(0.75, 1.2) * (1.0 + rng.normal(0.0, 0.03, 3)) * (0.6 if material == 'kerb' else 1.0)
                looks[material][start:end, side] = (textures.pick(name, rng), *tint)
        start = end
    return looks


def _build_items(
    items: list[Item], road: Road, ground: Ground, textures: Textures, shadows: ImageArray, appearance: Appearance
) -> tuple[Batch, Batch, Batch]:
    """All items at their places: large opaque ones, small opaque ones, and what is see-through."""
    builder = Builder(textures)
    pieces: dict[str, list[Quads]] = {name: [] for name in ('solid', 'detail', 'leaves')}
    chunks: dict[str, list[int]] = {name: [] for name in pieces}
    lights: list[float] = []  # of each piece of detail
    ways = np.array([item.way_m for item in items])
    lefts = np.array([item.left_m for item in items])
    where = road.beside(ways, lefts)
    heights = ground.height(ways, lefts)
    headings = road.heading[np.clip(ways.astype(int), 0, len(road.centre) - 1)]
    for item, (x, y), z, heading in zip(items, where, heights, headings, strict=True):
        yaw = heading + item.turn + (0.0 if item.left_m > 0 else np.pi)
        for name, part in zip(('detail' if item.detail else 'solid', 'leaves'), builder.build(item), strict=True):
            if len(part):
                pieces[name].append(place(part, x, y, float(z), yaw))
                chunks[name].append(int(item.way_m // CHUNK_M))
                if name == 'detail':
                    roadwards = item.left_m - 1.5 * np.sign(item.left_m)  # the thing itself darkens its own place
                    lights += [0.3 + 0.7 * light_at(shadows, item.way_m, roadwards)] * len(part)
    if pieces['detail']:
        lit = np.concatenate(pieces['detail'])
        shade(lit, appearance.light, np.array(lights))
        sizes = np.cumsum([len(part) for part in pieces['detail']])[:-1]
        pieces['detail'] = np.split(lit, sizes)
    solid, detail, leaves = (Batch.of(pieces[name], chunks[name], road.chunks) for name in pieces)
    shade(solid.vertices, appearance.light)
    shade(leaves.vertices, appearance.light, leaves=True)
    return solid, detail, leaves


def _merge(base: Batch, extra: tuple[list[Quads], list[int]], count: int) -> Batch:
    pieces = [base.vertices[base.starts[i] : base.starts[i + 1]] for i in range(count)]
    return Batch.of(pieces + extra[0], list(range(count)) + extra[1], count)
