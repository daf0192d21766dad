"""How well each shift of the road explains two views of it: a log-likelihood for every shift, in bands of depth.

A patch of the newer view is compared with the older view at every shift along the way (normalised correlation r). For
Gaussian noise and unknown brightness and contrast the likelihood of a shift is (1 - r^2)^(-n/2), n being the
independent samples of the patch. A patch without texture gives r near 0 everywhere and so says nothing. What one patch
can say is bounded, and patches are added up: a car that moves with us, or a shadow, is outvoted.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from atvio_ros.road.likeness import likeness
from atvio_ros.road.patch_texture import textures
from atvio_ros.road.patches import Patches, lay_patches
from atvio_ros.settings import setting
from atvio_ros.types import FloatArray, ImageArray
from atvio_ros.view.road import RoadView

Curves = NDArray[np.float32]


@dataclass(frozen=True)
class MatchSettings:
    """Where patches lie and what they count. Lengths are in camera heights."""

    half_width: float = setting(1.3, 'Road that is looked at, to each side.', minimum=0.2, maximum=10.0)
    cell: float = setting(0.02, 'Cell along the way.', minimum=0.002, maximum=0.2)
    cell_across: float = setting(0.05, 'Cell across.', minimum=0.002, maximum=0.5)
    strips: int = setting(5, 'Patches side by side.', minimum=1, maximum=50)
    farthest_shift: float = setting(3.0, 'Largest shift forward.', minimum=0.1, maximum=10.0)
    backward_shift: float = setting(0.3, 'Largest shift backward.', minimum=0.0, maximum=5.0)
    samples: float = setting(25.0, 'Independent samples of a patch: n.', minimum=1.0)
    most_correlation: float = setting(0.97, 'Correlation that counts as perfect.', minimum=0.1, maximum=0.999)
    least_contrast: float = setting(0.3, 'Deviation of grey levels below which a patch is left out.', minimum=0.0)


# Depth of the bands, as multiples of where the road comes into view: they overlap a little.
_BANDS = ((1.0, 1.3), (1.22, 1.58), (1.5, 1.96), (1.86, 2.46))
_FINE, _COARSE = (0.8, 1.5), (6.0, 8.0)  # deviations in cells (across, along) of the band-pass
_ROOM_H = 1.0  # beyond the farthest band, where its patches were before
_UNKNOWN_H = 2.0  # what a band must be in view for while no shift is expected
_MARGIN_H = 0.35  # of a shift that is only expected
_CLEAR = 3.0  # log-likelihood of a patch's best shift over the mean: less tells nothing of where it moved
_ALIKE_H, _ALIKE_SHARE = 0.05, 0.04  # patches agree with a shift that is so near
FINER = 4  # curves are interpolated to so many points a cell: a maximum lies between cells, too


@dataclass(frozen=True)
class SaidPatch:
    """What one patch says by itself, and what it is."""

    says: Curves  # (cells,) log-likelihood of the shifts from the largest backward to the largest forward
    band: int
    depth: float  # camera heights
    place: float  # across the road, -1 at the left to 1 at the right
    texture: FloatArray  # (TEXTURES,) of the newer view


# From the patches of a pair and the shift that is expected [camera heights], None: not known, to their weights (P,).
Weigh = Callable[[Sequence[SaidPatch], float | None], FloatArray]


@dataclass(frozen=True)
class Comparison:
    """What two views say of each other; P patches that had something to say."""

    curves: Curves  # (B, S) log-likelihood of the shifts, the sum over the patches of each band
    patches: NDArray[np.intp]  # (B,) how many there are
    best: FloatArray  # (P,) where each patch alone looks best, camera heights
    depth: FloatArray  # (P,) how far ahead it lies, camera heights

    def support(self, shift: float, tilt: float) -> float:
        """Share of the patches that look best near this shift, with this tilt [rad] left in the view; 0 without any."""
        if not len(self.best):
            return 0.0
        away = np.abs(self.best - shift * (1.0 + 2.0 * self.depth * tilt))
        return float(np.mean(away < alike_within(shift)))


def alike_within(shift: float) -> float:
    """How far patches of one road may look best from the shift they all made, and from each other [camera heights]."""
    return _ALIKE_H + _ALIKE_SHARE * abs(shift)


class ShiftCurves:
    """Compares views of a road that comes into sight `nearest` camera heights ahead."""

    def __init__(self, nearest: float, settings: MatchSettings | None = None) -> None:
        self.settings = settings = settings or MatchSettings()
        ends = [(first * nearest, last * nearest) for first, last in _BANDS]
        far = max(ends[-1][1] + _ROOM_H, ends[0][1] + settings.farthest_shift)
        self.road = RoadView(nearest, far, settings.half_width, settings.cell, settings.cell_across)
        self.depth: FloatArray = np.array([0.5 * (first + last) for first, last in ends])  # (B,) middle of each band
        last_row = self.road.rows - 1
        self._rows = tuple(
            (
                round(last_row - (last - nearest) / settings.cell),
                round(last_row - (first - nearest) / settings.cell) + 1,
            )
            for first, last in ends
        )
        self._reach = [far - last for _, last in ends]  # largest shift at which a band's patches are still in the view
        self._back = round(settings.backward_shift / settings.cell)
        self._most = round(settings.farthest_shift / settings.cell)
        cells = np.arange(-self._back * FINER, self._most * FINER + 1) / FINER
        self.shifts: FloatArray = cells * settings.cell  # (S,) camera heights, positive: the robot moved forward
        self._laid = functools.lru_cache(maxsize=64)(self._lay)

    def along(self, curvature: float) -> Patches:
        """Patches on the way of a robot that goes on in its bend: 1 / radius in 1 / camera heights, to the right."""
        # To a cell across, so that few layouts are made.
        cells = 0.5 * curvature * self.depth**2 / self.settings.cell_across
        return self._laid(tuple(np.round(cells).astype(int).tolist()))

    def _lay(self, aside: tuple[int, ...]) -> Patches:
        return lay_patches(self.road, self._rows, aside, self.settings.strips)

    def compare(
        self,
        older: ImageArray,
        newer: ImageArray,
        seen: NDArray[np.bool_],
        expected: float | None = None,
        patches: Patches | None = None,
        least_moved: float = 0.0,
        weigh: Weigh | None = None,
    ) -> Comparison:
        """Compare views (rows, columns) of the road of `patches`; None: straight ahead.

        `seen` tells which cells of the newer one show something. A band whose patches were out of view before the
        `expected` shift (None: not known) has nothing to say, and would vote for whatever noise it finds nearer by.
        A patch that looks best at a shift below `least_moved`, forward or back, is left out: it shows what moves along,
        a vehicle ahead, or a drop on the glass. `weigh` tells how much each of the others counts; None: all alike.
        """
        old, new = _band_pass(older), _band_pass(newer)
        whole = np.zeros((len(self._rows), self._back + self._most + 1), np.float32)
        used = np.zeros(len(self._rows), dtype=np.intp)
        best, depth = [], []
        said: list[SaidPatch] = []
        laid = patches or self.along(0.0)
        needed = _UNKNOWN_H if expected is None else expected + _MARGIN_H
        for band in range(len(laid.rows)):
            if self._reach[band] < needed and band > 0:
                continue
            says, strips = self._says(old, new, laid, band, seen)
            highest = says.argmax(axis=1)
            moved = np.abs(highest - self._back) * self.settings.cell >= least_moved
            says, highest = says[moved], highest[moved]
            used[band] = len(says)
            whole[band] = says.sum(axis=0)
            clear = says.max(axis=1, initial=-np.inf) - says.mean(axis=1) > _CLEAR
            best.append((highest[clear] - self._back) * self.settings.cell)
            depth.append(np.full(int(clear.sum()), self.depth[band]))
            if weigh is not None:
                said += self._said(says, strips[moved], band, laid, new)
        if weigh is not None:
            whole = _weighed(whole, said, weigh(said, expected))
        return Comparison(self.interpolated(whole), used, np.concatenate(best), np.concatenate(depth))

    def _said(self, says: Curves, strips: NDArray[np.intp], band: int, laid: Patches, new: Curves) -> list[SaidPatch]:
        (top, bottom), columns = laid.rows[band], laid.columns[band]
        depth, most = float(self.depth[band]), max(len(columns) - 1, 1)
        looks = textures(new[top:bottom], [columns[strip] for strip in strips.tolist()])
        return [
            SaidPatch(row, band, depth, 2.0 * strip / most - 1.0, look)
            for row, strip, look in zip(says, strips.tolist(), looks, strict=True)
        ]

    def interpolated(self, whole: Curves) -> Curves:
        """Curves (B, cells) at the shifts (B, S)."""
        fine = cv2.resize(whole, None, fx=FINER, fy=1, interpolation=cv2.INTER_CUBIC)
        # Points lie at (k + 0.5) / FINER - 0.5 cells after scaling: k / FINER is halfway between two of them.
        before, count = FINER // 2 - 1, len(self.shifts)
        halfway = 0.5 * (fine[:, before : before + count] + fine[:, before + 1 : before + 1 + count])
        return np.asarray(halfway, dtype=np.float32)

    def _says(
        self, old: Curves, new: Curves, laid: Patches, band: int, seen: NDArray[np.bool_]
    ) -> tuple[Curves, NDArray[np.intp]]:
        """What each patch of a band that is wholly seen and has contrast says of each shift [cells]: (P, shifts), and
        which strips they are.
        """
        (top, bottom), columns = laid.rows[band], laid.columns[band]
        shifts = self._back + self._most + 1
        if not columns:
            return np.empty((0, shifts), np.float32), np.empty(0, np.intp)
        first = max(0, top - self._most)  # far is up: a patch was farther ahead before
        last = min(len(old), bottom + self._back)
        found = likeness(old[first:last], new[top:bottom], columns)
        whole: list[bool] = np.asarray(seen[top:bottom].all(axis=0)).tolist()
        usable = [
            all(whole[left:right]) and contrast >= self.settings.least_contrast
            for (left, right), contrast in zip(columns, found.contrast.tolist(), strict=True)
        ]
        r = np.clip(found.correlation[usable], 0.0, self.settings.most_correlation)
        says = np.float32(-0.5 * self.settings.samples) * np.log1p(-r * r)
        begin = self._back + top - first  # of the first row, the farthest shift; the index falls from there
        rows = np.empty((len(says), shifts), np.float32)
        rows[:] = says.mean(axis=1, keepdims=True)  # of what lies beyond the view nothing is known
        rows[:, begin + 1 - says.shape[1] : begin + 1] = says[:, ::-1]
        return rows, np.flatnonzero(usable)


def _weighed(whole: Curves, said: Sequence[SaidPatch], weights: FloatArray) -> Curves:
    """Curves (B, cells) of bands as sums of those of their patches, each times its weight."""
    joined = np.zeros_like(whole)
    for patch, weight in zip(said, weights, strict=True):
        joined[patch.band] += np.float32(weight) * patch.says
    return joined


def _band_pass(view: ImageArray) -> NDArray[np.float32]:
    """A view without what is finer or coarser than the texture of a road."""
    values = view.astype(np.float32)
    fine = cv2.GaussianBlur(values, (0, 0), _FINE[0], sigmaY=_FINE[1])
    return np.asarray(fine - cv2.GaussianBlur(values, (0, 0), _COARSE[0], sigmaY=_COARSE[1]), dtype=np.float32)
