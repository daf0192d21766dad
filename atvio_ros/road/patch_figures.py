"""Figures of the patches of the road by which to tell how much each is to be believed.

A patch may show the road, or a mirror image on a wet road, a shadow's edge, a kerb, a car ahead. Its curve and its
texture differ then: where the best shift lies beside the expected one, whether there is another, how sharp it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from atvio_ros.road.shift_curves import SaidPatch
from atvio_ros.types import FloatArray

FIGURES = 15
_NEAR = 4  # cells: another maximum lies farther away
_HIGH = 2.0  # log-likelihood below the best that still counts as the same maximum
_SPREAD_H = 0.1  # of differences of shifts [camera heights]


def patch_figures(said: Sequence[SaidPatch], expected: float | None, backward: int, cell: float) -> FloatArray:
    """(P, FIGURES) of order one, of P patches compared with the road `expected` to have moved [camera heights].

    Curves begin `backward` cells of `cell` camera heights before no shift.
    """
    if not said:
        return np.zeros((0, FIGURES))
    says = np.stack([patch.says for patch in said])  # (P, S)
    index = np.arange(says.shape[1])
    best = says.argmax(axis=1)
    top, mean = says.max(axis=1), says.mean(axis=1)
    beside = np.where(np.abs(index - best[:, None]) > _NEAR, says, -np.inf).max(axis=1)
    wide = (says > top[:, None] - _HIGH).sum(axis=1)
    still = says[:, backward - 1 : backward + 2].max(axis=1)
    shift = cell * (best - backward)
    if expected is None:
        here, away = top, np.zeros(len(said))
    else:
        centre = int(np.clip(round(expected / cell) + backward, 2, says.shape[1] - 3))
        here, away = says[:, centre - 2 : centre + 3].max(axis=1), shift - expected
    texture = np.array([_texture(patch.shown) for patch in said])  # (P, 3)
    size = 0.0 if expected is None else float(np.tanh(expected))
    values = np.column_stack(
        (
            top / 10.0,
            (top - mean) / 10.0,
            (top - beside) / 5.0,
            wide / 20.0,
            (still - top) / 10.0,
            (here - top) / 10.0,
            np.tanh(away / _SPREAD_H),
            np.tanh((shift - np.median(shift)) / _SPREAD_H),
            texture,
            [patch.depth / 5.0 for patch in said],
            [abs(patch.place) for patch in said],
            np.full(len(said), float(expected is not None)),
            np.full(len(said), size),
        )
    )
    return np.asarray(np.clip(values, -4.0, 4.0))


def _texture(shown: NDArray[np.float32]) -> tuple[float, float, float]:
    """Logarithms of contrast, of how much rougher it is along than across, and of its peak over its contrast."""
    rows, columns = shown.shape
    contrast = float(cv2.meanStdDev(shown)[1][0, 0]) + 0.05
    along = cv2.norm(shown[1:], shown[:-1], cv2.NORM_L1) / max((rows - 1) * columns, 1)
    across = cv2.norm(shown[:, 1:], shown[:, :-1], cv2.NORM_L1) / max(rows * (columns - 1), 1)
    peak = cv2.norm(shown, cv2.NORM_INF)
    return math.log(contrast), math.log((along + 0.02) / (across + 0.02)), math.log(peak / contrast + 0.1)
