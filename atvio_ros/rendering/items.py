"""One thing beside the road: what it is, the ground it takes, and its shape."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from atvio_ros.rendering import buildings, street, vegetation, vehicles
from atvio_ros.rendering.mesh import VERTEX, Quads
from atvio_ros.rendering.road import Road
from atvio_ros.rendering.textures import Textures
from atvio_ros.rendering.traffic import with_shadow
from atvio_ros.types import FloatArray

NOTHING = np.zeros((0, 4), VERTEX)
PATTERNS = 24  # plants of one kind are that many different ones, turned and stretched
PATTERN_M = 10.0  # height and spread at which they are made


@dataclass(frozen=True)
class Item:
    """One thing: its kind, the middle of its footprint relative to the road, its size [m], and its own seed."""

    kind: str
    way_m: float
    left_m: float
    along_m: float  # footprint along the road
    across_m: float
    height_m: float
    seed: int
    detail: bool = False  # small: drawn only when near
    on_parking: bool = False  # may stand on asphalt, though not on the carriageway
    turn: float = 0.0  # rad, from facing the road
    margin_m: float = 0.4
    options: dict[str, float] = field(default_factory=dict)


class Builder:
    """Makes the shapes of items; plants share patterns, the rest is made one by one."""

    def __init__(self, textures: Textures) -> None:
        self._textures = textures
        self._patterns: dict[tuple[str, int, int], tuple[Quads, Quads]] = {}

    def build(self, item: Item) -> tuple[Quads, Quads]:
        """Opaque and see-through parts in local axes (x along the front, -y towards the road), free to be changed."""
        rng = np.random.default_rng(item.seed)
        textures = self._textures
        if item.kind in ('tree', 'bush', 'conifer'):
            return self._plant(item, rng)
        if item.kind == 'house':
            storeys = int(item.options['storeys'])
            gable, shop = item.options['gable'] > 0, item.options['shop'] > 0
            return buildings.house(textures, rng, item.along_m, item.across_m, storeys, gable, shop), NOTHING
        if item.kind == 'fence':
            return NOTHING, street.fence(textures, rng, item.along_m, item.height_m)
        if item.kind == 'car':
            return with_shadow(*vehicles.car(textures, rng)), NOTHING
        makers = {
            'shed': lambda: buildings.shed(textures, rng, item.along_m, item.across_m, item.height_m),
            'hedge': lambda: buildings.barrier(textures, rng, item.along_m, item.height_m, 'hedge'),
            'wall': lambda: buildings.barrier(textures, rng, item.along_m, item.height_m, 'wall'),
            'lamp': lambda: street.lamp(rng, item.height_m),
            'post': lambda: street.post(rng, item.height_m, item.along_m / 2),
            'sign': lambda: street.traffic_sign(textures, rng),
            'billboard': lambda: street.billboard(textures, rng),
            'rail': lambda: street.guard_rail(textures, item.along_m),
            'box': lambda: street.bin_or_box(rng),
        }
        return makers[item.kind](), NOTHING

    def _plant(self, item: Item, rng: np.random.Generator) -> tuple[Quads, Quads]:
        cards = int(item.options.get('cards', 0))
        key = (item.kind, item.seed % PATTERNS, cards)
        if key not in self._patterns:
            self._patterns[key] = _pattern(item.kind, cards, self._textures, np.random.default_rng(item.seed))
        spread = item.options.get('spread', item.along_m)
        scale = np.array((spread, spread, item.height_m)) / PATTERN_M
        turn = rng.uniform(0.0, 2 * np.pi)
        cosine, sine = np.cos(turn), np.sin(turn)
        matrix = (scale[:, None] * np.array(((cosine, sine, 0.0), (-sine, cosine, 0.0), (0.0, 0.0, 1.0)))).astype(
            np.float32
        )
        solid, leaves = (part.copy() for part in self._patterns[key])
        for part in (solid, leaves):
            part['position'] = part['position'] @ matrix
        return solid, leaves


def _pattern(kind: str, cards: int, textures: Textures, rng: np.random.Generator) -> tuple[Quads, Quads]:
    if kind == 'tree':
        return vegetation.tree(textures, rng, PATTERN_M, PATTERN_M, cards)
    if kind == 'bush':
        return NOTHING, vegetation.bush(textures, rng, PATTERN_M, PATTERN_M, cards)
    return NOTHING, vegetation.conifer(textures, rng, PATTERN_M, PATTERN_M)


def keep_off_roads(road: Road, items: list[Item]) -> list[Item]:
    """The items whose whole footprint is off every road that is driven at any time."""
    free = np.ones(len(items), bool)
    for on_parking in (False, True):
        chosen = [i for i, item in enumerate(items) if item.on_parking == on_parking]
        if not chosen:
            continue
        outlines = [footprint(road, items[i]) for i in chosen]
        groups = np.repeat(np.arange(len(chosen)), [len(outline) for outline in outlines])
        margins = np.array([items[i].margin_m for i in chosen])
        free[chosen] = road.is_free(np.concatenate(outlines), groups, margins, paved=not on_parking)
    return [item for item, kept in zip(items, free, strict=True) if kept]


def footprint(road: Road, item: Item) -> FloatArray:
    """Points (P, 2) around and inside an item's outline, at most 2.5 m apart, in the world."""
    nx, ny = int(np.ceil(item.along_m / 2.5)) + 1, int(np.ceil(item.across_m / 2.5)) + 1
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, nx) * item.along_m, np.linspace(-0.5, 0.5, ny) * item.across_m)
    local = np.stack((x.ravel(), y.ravel()), axis=1)
    cosine, sine = np.cos(item.turn), np.sin(item.turn)
    local = local @ np.array(((cosine, sine), (-sine, cosine)))
    sample = int(np.clip(round(item.way_m), 0, len(road.centre) - 1))
    left = road.left_axis[sample]
    forward = np.array((left[1], -left[0]))
    if item.left_m < 0:  # on the right, things face the other way
        local = -local
    return np.asarray(
        road.beside(np.array([item.way_m]), np.array([item.left_m])) + local[:, :1] * forward + local[:, 1:] * left
    )
