"""Where on the road patches are compared: in bands of depth, side by side, along the way that the robot drives.

Straight ahead of a robot in a bend lie pavements, parked cars and lawns, which are no part of the road's plane.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from atvio_ros.view.road import RoadView

_MOST_ASIDE_H = 3.0  # a band that lies farther to the side is left out


@dataclass(frozen=True)
class Patches:
    """Where the patches lie in views of `road`: rows of each band, and columns of each of its strips."""

    road: RoadView
    rows: tuple[tuple[int, int], ...]
    columns: tuple[tuple[tuple[int, int], ...], ...]  # none: the band is out of reach


def lay_patches(straight: RoadView, rows: tuple[tuple[int, int], ...], aside: tuple[int, ...], strips: int) -> Patches:
    """Patches in bands of these rows that lie `aside` cells to the right, in a view as much wider than `straight`."""
    cell = straight.cell_across
    most = round(_MOST_ASIDE_H / cell)
    used = [cells for cells in aside if abs(cells) <= most] or [0]
    least, largest = min(used), max(used)
    road = dataclasses.replace(
        straight,
        half_width=straight.half_width + 0.5 * (largest - least) * cell,
        middle=0.5 * (largest + least) * cell,
    )
    places = np.array_split(np.arange(straight.columns), strips)
    columns = tuple(
        tuple((int(place[0]) + cells - least, int(place[-1]) + 1 + cells - least) for place in places)
        if abs(cells) <= most
        else ()
        for cells in aside
    )
    return Patches(road, rows, columns)
