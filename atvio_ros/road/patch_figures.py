"""Figures of the patches of the road by which to tell how much each is to be believed.

A patch may show the road, or a mirror image on a wet road, a shadow's edge, a kerb, a car ahead. Its curve and its
texture differ then: where the best shift lies beside the expected one, whether there is another, how sharp it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atvio_ros.road.shift_curves import SaidPatch, alike_within
from atvio_ros.types import FloatArray

FIGURES = 15
_NEAR = 4  # cells: another maximum lies farther away
_HIGH = 2.0  # log-likelihood below the best that still counts as the same maximum
_SPREAD_H = 0.1  # of differences of shifts [camera heights]

# Figures of the patches of a pair (P, FIGURES) -> their weights (P,).
WeighFigures = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Said:
    """What the patches of one pair said, and their figures: what weights are learned from."""

    patches: tuple[SaidPatch, ...]
    figures: FloatArray  # (P, FIGURES)


NOTHING_SAID = Said((), np.zeros((0, FIGURES)))


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
    middle = float(np.median(shift))
    # What scatters on one road tells of no other thing; weights that follow it would pull its speed and tilt along.
    within = alike_within(middle if expected is None else expected)
    size = 0.0 if expected is None else float(np.tanh(expected))
    values = np.column_stack(
        (
            top / 10.0,
            (top - mean) / 10.0,
            (top - beside) / 5.0,
            wide / 20.0,
            (still - top) / 10.0,
            (here - top) / 10.0,
            np.tanh(_beyond(away, within) / _SPREAD_H),
            np.tanh(_beyond(shift - middle, within) / _SPREAD_H),
            np.stack([patch.texture for patch in said]),  # (P, 3)
            [patch.depth / 5.0 for patch in said],
            [abs(patch.place) for patch in said],
            np.full(len(said), float(expected is not None)),
            np.full(len(said), size),
        )
    )
    return np.asarray(np.clip(values, -4.0, 4.0))


def _beyond(away: FloatArray, within: float) -> FloatArray:
    return np.asarray(np.sign(away) * np.maximum(np.abs(away) - within, 0.0))
