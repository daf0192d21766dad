"""What stands beside the road: where each thing goes, and that none stands where anyone drives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atvio_ros.rendering.buildings import STOREY_M
from atvio_ros.rendering.conditions import ORDINARY, Conditions
from atvio_ros.rendering.items import Item, keep_off_roads
from atvio_ros.rendering.road import Road
from atvio_ros.rendering.zones import COUNTRY, MOTORWAY, Zone
from atvio_ros.types import FloatArray


def plan(
    road: Road,
    sidewalk_m: FloatArray,
    side_street: NDArray[np.bool_],
    rng: np.random.Generator,
    conditions: Conditions = ORDINARY,
) -> list[Item]:
    """Everything along the road; what would stand on a driven road has been left out."""
    items: list[Item] = []
    for side in (0, 1):
        edge = (road.paved_left if side == 0 else road.paved_right) + 0.15
        behind = edge + sidewalk_m[:, side]
        start = 0
        zones = road.zone
        while start < len(zones):
            end = start
            stretch = int(rng.uniform(60.0, 200.0))
            while end < len(zones) and zones[end] == zones[start] and end - start < stretch:
                end += 1
            open_ways = ~side_street[:, side]
            _Side(road, zones[start], conditions, side, start, end, edge, behind, open_ways, rng, items).furnish()
            start = end
    return keep_off_roads(road, items)


@dataclass
class _Side:
    """One side of one stretch of road of one character."""

    road: Road
    zone_index: int
    conditions: Conditions
    side: int
    start: int
    end: int
    edge: FloatArray  # (S,) where the sidewalk begins
    behind: FloatArray  # (S,) where it ends
    open_ways: NDArray[np.bool_]  # (S,) no side street here
    rng: np.random.Generator
    items: list[Item]

    @property
    def zone(self) -> Zone:
        return self.road.zones[self.zone_index]

    def furnish(self) -> None:
        rng, zone = self.rng, self.zone
        wooded = rng.random() < zone.forest
        if rng.random() < 0.97 and zone.buildings and not wooded:
            self._frontage()
        if wooded:
            self._wood()
        if rng.random() < zone.street_trees:
            self._street_trees()
        if rng.random() < zone.lamps:
            self._row('lamp', rng.uniform(22.0, 40.0), 0.5, rng.uniform(5.0, 9.0), 0.2)
        if rng.random() < zone.guard_rails:
            self._rails()
        if self.zone_index in (COUNTRY, MOTORWAY):
            self._row('post', rng.uniform(25.0, 50.0), 1.0, 1.0, 0.12)
            if rng.random() < 0.3:
                self._row('post', rng.uniform(30.0, 50.0), 6.0, rng.uniform(7.0, 9.0), 0.25)
        self._shrubs()
        if not self.conditions.open_land:
            self._background()
        self._parked()
        self._small_things()

    def _add(self, kind: str, way: float, distance: float, along: float, across: float, height: float, **more) -> None:  # type: ignore[no-untyped-def]
        """An item `distance` metres from the car's line, unless a side street or a sharp inner bend is there."""
        sample = int(np.clip(round(way), 0, len(self.road.centre) - 1))
        low, high = max(0, int(way - along / 2 - 2)), int(way + along / 2 + 3)
        if distance < 60.0 and not self.open_ways[low:high].all():
            return
        sign = 1.0 if self.side == 0 else -1.0
        if 1.0 - sign * self.road.curvature[sample] * distance < 0.25:
            return
        seed = int(self.rng.integers(2**31))
        self.items.append(Item(kind, way, sign * distance, along, across, height, seed, **more))

    def _frontage(self) -> None:
        """Houses side by side, each plot with its front."""
        rng, zone = self.rng, self.zone
        way = self.start + rng.uniform(0.0, 6.0)
        setback = rng.uniform(*zone.setback_m)
        style_detached = rng.random() < zone.detached
        low, high = zone.storeys
        usual = rng.integers(low, high + 1)
        while way < self.end - 4.0:
            width = rng.uniform(8.0, 15.0) if style_detached else rng.uniform(9.0, 26.0)
            gap = rng.uniform(2.5, 12.0) if style_detached else (0.0 if rng.random() < 0.7 else rng.uniform(2.0, 9.0))
            # On the outside of a bend a metre of way is more than a metre of frontage.
            stretch = self._stretch(way, setback + 12.0)
            middle = way + width / 2 / stretch
            if middle > self.end:
                break
            sample = min(int(middle), len(self.behind) - 1)
            if rng.random() < zone.buildings:
                depth = rng.uniform(8.0, 13.0)
                back = max(0.2, setback + rng.normal(0.0, 1.0 if style_detached else 0.35))
                distance = self.behind[sample] + back + depth / 2
                storeys = int(np.clip(usual + rng.integers(-1, 2), low, high))
                options = {
                    'storeys': storeys,
                    'gable': float(rng.random() < (0.95 if style_detached else 0.6)),
                    'shop': float(not style_detached and rng.random() < 0.3),
                }
                turn = rng.choice((0.0, np.pi / 2)) if style_detached and abs(width - depth) < 4 else 0.0
                if rng.random() < 0.08:
                    self._add(
                        'shed', middle, distance, min(width, 14.0), depth * 0.7, rng.uniform(2.5, 5.0), margin_m=1.0
                    )
                else:
                    self._add(
                        'house',
                        middle,
                        distance,
                        width,
                        depth,
                        storeys * STOREY_M + 4.0,
                        options=options,
                        turn=turn,
                        margin_m=1.0,
                    )
                if style_detached and rng.random() < 0.35:
                    self._add('shed', way + width + 2.0, distance + 1.0, 3.5, 6.0, 2.4)
            if setback > 1.5 and rng.random() < zone.hedges:
                kind = str(rng.choice(('hedge', 'hedge', 'wall', 'fence')))
                length = width + gap - 2.0
                self._add(kind, middle, self.behind[sample] + 0.5, length, 0.6, rng.uniform(0.7, 2.0), margin_m=0.1)
            if setback > 2.5:
                for _ in range(rng.poisson(0.9)):
                    self._bush(way + rng.uniform(0.0, width), self.behind[sample] + rng.uniform(1.2, setback))
                if rng.random() < 0.4:
                    self._tree(
                        way + rng.uniform(0.0, width), self.behind[sample] + setback * 0.6, rng.uniform(4.0, 9.0)
                    )
            way += (width + gap) / stretch

    def _stretch(self, way: float, distance: float) -> float:
        """Metres at `distance` from the road per metre of way, at least 1."""
        sample = int(np.clip(way, 0, len(self.road.centre) - 1))
        sign = 1.0 if self.side == 0 else -1.0
        return max(1.0, 1.0 - sign * float(self.road.curvature[sample]) * distance)

    def _wood(self) -> None:
        rng = self.rng
        first = rng.uniform(3.0, 14.0)
        conifers = rng.random()
        for row in range(4):
            way = self.start + rng.uniform(0.0, 4.0)
            while way < self.end:
                distance = self.behind[min(int(way), len(self.behind) - 1)] + first + row * 5.0 + rng.normal(0.0, 1.2)
                height = rng.uniform(9.0, 18.0)
                if rng.random() < conifers:
                    self._add(
                        'conifer', way, distance, 1.0, 1.0, height, options={'spread': height * 0.45}, margin_m=1.5
                    )
                else:
                    self._tree(way, distance, height, cards=7 if row < 2 else 5)
                way += rng.uniform(3.0, 8.0) / self._stretch(way, 15.0)
            if row == 0 and rng.random() < 0.6:
                for _ in range(int((self.end - self.start) / 5)):
                    self._bush(rng.uniform(self.start, self.end), distance + rng.normal(-1.5, 1.0))

    def _street_trees(self) -> None:
        rng = self.rng
        spacing, height = rng.uniform(8.0, 18.0), rng.uniform(4.5, 12.0)
        if self.conditions.tree_shadows:
            spacing, height = 10.0 / self.conditions.tree_shadows, 6.0 + height / 2
        inset = rng.uniform(0.7, 1.5)
        way = self.start + rng.uniform(0.0, spacing)
        while way < self.end:
            distance = self.edge[min(int(way), len(self.edge) - 1)] + inset
            self._tree(way, distance, height * rng.uniform(0.8, 1.2), cards=12)
            way += spacing * rng.uniform(0.85, 1.15) / self._stretch(way, 6.0)

    def _tree(self, way: float, distance: float, height: float, cards: int = 10) -> None:
        options = {'spread': height * self.rng.uniform(0.45, 0.75), 'cards': float(cards)}
        self._add('tree', way, distance, 0.6, 0.6, height, options=options)

    def _bush(self, way: float, distance: float) -> None:
        size = self.rng.uniform(0.8, 2.4)
        self._add(
            'bush',
            way,
            distance,
            size,
            size,
            size * self.rng.uniform(0.7, 1.2),
            detail=size < 1.4,
            options={'cards': 6.0},
            margin_m=0.1,
        )

    def _row(self, kind: str, spacing: float, inset: float, height: float, thickness: float) -> None:
        way = self.start + self.rng.uniform(0.0, spacing)
        while way < self.end:
            distance = self.edge[min(int(way), len(self.edge) - 1)] + inset
            self._add(kind, way, distance, thickness, thickness, height, detail=height < 3.0)
            way += spacing

    def _rails(self) -> None:
        for way in np.arange(self.start + 4.0, self.end - 3.0, 8.0):
            self._add('rail', float(way), self.edge[int(way)] + 0.7, 8.0, 0.3, 0.8, margin_m=0.2)

    def _shrubs(self) -> None:
        rng = self.rng
        for _ in range(rng.poisson(self.zone.shrubs * (self.end - self.start))):
            way = rng.uniform(self.start, self.end)
            distance = self.behind[min(int(way), len(self.behind) - 1)] + rng.gamma(2.0, 5.0) + 0.8
            draw = 0.0 if self.conditions.open_land else rng.random()
            if draw < 0.5:
                self._bush(way, distance)
            elif draw < 0.85:
                self._tree(way, distance, rng.uniform(4.0, 14.0))
            else:
                height = rng.uniform(5.0, 15.0)
                self._add('conifer', way, distance, 1.0, 1.0, height, options={'spread': height * 0.4})

    def _background(self) -> None:
        """A second row, seen through the gaps: houses in towns, trees and barns in the country."""
        rng = self.rng
        way = float(self.start)
        while way < self.end:
            way += rng.exponential(16.0) / self._stretch(way, 40.0)
            distance = self.behind[min(int(way), len(self.behind) - 1)] + rng.uniform(26.0, 90.0)
            if rng.random() < 0.45 * (self.zone.buildings + 0.1):
                width, storeys = rng.uniform(9.0, 24.0), rng.integers(1, 6)
                options = {'storeys': float(storeys), 'gable': float(rng.random() < 0.7), 'shop': 0.0}
                self._add(
                    'house',
                    way,
                    distance,
                    width,
                    rng.uniform(8.0, 14.0),
                    storeys * 3.0 + 4.0,
                    options=options,
                    turn=rng.uniform(-0.6, 0.6),
                    margin_m=2.0,
                )
            else:
                self._tree(way, distance, rng.uniform(6.0, 16.0), cards=6)

    def _parked(self) -> None:
        rng, road = self.rng, self.road
        edge = road.paved_left if self.side == 0 else road.paved_right
        lane = road.drive_left if self.side == 0 else road.drive_right
        density = rng.uniform(0.2, 0.95)
        way = self.start + rng.uniform(0.0, 5.0)
        while way < self.end:
            sample = min(int(way), len(edge) - 1)
            if edge[sample] - lane[sample] > 1.8 and rng.random() < density:
                self._add(
                    'car',
                    way,
                    edge[sample] - rng.uniform(0.95, 1.1),
                    4.6,
                    1.8,
                    1.5,
                    on_parking=True,
                    turn=rng.choice((0.0, np.pi), p=(0.75, 0.25)) + rng.normal(0.0, 0.02),
                    margin_m=0.0,
                )
            way += rng.uniform(5.9, 8.0)

    def _small_things(self) -> None:
        rng = self.rng
        for _ in range(rng.poisson((self.end - self.start) / 22.0)):
            way = rng.uniform(self.start, self.end)
            sample = min(int(way), len(self.edge) - 1)
            kind = str(rng.choice(('sign', 'sign', 'box', 'post', 'billboard'), p=(0.3, 0.2, 0.25, 0.2, 0.05)))
            distance = (self.edge[sample] + 0.4) if rng.random() < 0.5 else self.behind[sample] + rng.uniform(0.2, 0.8)
            if kind == 'billboard':
                distance = self.behind[sample] + 1.5
            thickness = 0.15 if kind == 'post' else 0.9
            self._add(
                kind,
                way,
                distance + thickness / 2,
                thickness,
                thickness,
                rng.uniform(0.9, 3.0),
                detail=True,
                margin_m=0.1,
            )
