"""The filter of road/speed_filter.py with gradients, so that the weights of patches are learned through it.

The arithmetic is the same; the grid ends at a speed that the drive does not reach, for the sake of time.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from atvio_ros.road.speed_filter import SpeedFilter, SpeedSettings, shifting_kernel
from atvio_ros.types import FloatArray


class DifferentiableFilter:
    """Grid and steps; beliefs (V, T) are handed in and out."""

    def __init__(
        self, camera_height: float, shifts: FloatArray, depth: FloatArray, fastest: float, settings: SpeedSettings
    ) -> None:
        """Curves are over `shifts` (S,) in bands at `depth` (B,) [camera heights]; `fastest` in camera heights/s."""
        grid = SpeedFilter(camera_height, settings)
        self._settings, self._height = settings, camera_height
        self.speeds = _tensor(grid.speeds[grid.speeds <= fastest])
        self.tilts = _tensor(grid.tilts)
        self._prior = -0.5 * (self.tilts / np.radians(settings.tilt_deg)).square()
        self.tilts_alone = torch.softmax(self._prior, dim=0)
        self._jolt = shifting_kernel(settings.bump_deg / settings.tilt_step_deg)
        self._first, self._step = float(shifts[0]), float(shifts[1] - shifts[0])
        self.stretch = 1.0 + 2.0 * _tensor(depth)[:, None, None] * self.tilts  # (B, 1, T)

    def around(self, speed: float, sigma: float) -> Tensor:
        """Belief in a speed [camera heights a second], and in any tilt."""
        of_speed = torch.softmax(-0.5 * ((self.speeds - speed) / max(sigma, 0.5 * float(self._grid_step))).square(), 0)
        return of_speed[:, None] * self.tilts_alone

    @property
    def _grid_step(self) -> float:
        return self._settings.speed_step_h

    def update(
        self, belief: Tensor, curves: Tensor, span_s: float, interval_s: float, weight: float,
        felt: tuple[float, float], gained: float,
    ) -> Tensor:  # fmt: skip
        """The belief after curves (B, S); see SpeedFilter.update."""
        belief = self._predicted(belief, interval_s, *felt)
        place = ((self.speeds[:, None] * span_s + gained) * self.stretch - self._first) / self._step  # (B, V, T)
        says = self._settings.trust * weight * _looked_up(curves, place).sum(dim=0)
        says = (says - says.max()).clamp(min=-self._settings.most_said)
        belief = belief * torch.exp(says)
        return belief / belief.sum()

    def _predicted(self, belief: Tensor, interval_s: float, acceleration: float, sigma: float) -> Tensor:
        settings = self._settings
        cells = interval_s / settings.speed_step_h / self._height
        drift = settings.tilt_drift_deg * np.sqrt(interval_s) / settings.tilt_step_deg
        belief = _along(belief, shifting_kernel(sigma * cells, acceleration * cells), 0)
        belief = _along(belief, shifting_kernel(drift), 1)
        belief = belief * torch.exp(0.2 * interval_s * self._prior)
        belief = belief / belief.sum()
        anew = _along(belief, self._jolt, 1)
        belief = (1.0 - settings.bump) * belief + settings.bump / anew.sum() * anew
        faster = torch.cumsum(belief.sum(dim=1), dim=0)
        chance = settings.surprise * faster / faster.sum() + settings.surprise_slower / len(faster)
        return belief + chance[:, None] * self.tilts_alone

    def mean(self, belief: Tensor) -> Tensor:
        """Speed near the best one [camera heights a second]."""
        of_speed = belief.sum(dim=1)
        best = int(of_speed.argmax())
        reach = max(1, round(self._settings.local / self._settings.speed_step_h))
        near = slice(max(0, best - reach), best + reach + 1)
        return (of_speed[near] * self.speeds[near]).sum() / of_speed[near].sum()


def _looked_up(curves: Tensor, place: Tensor) -> Tensor:
    """Values (B, V, T) of curves (B, S) at places; beyond the ends the least of each."""
    S = curves.shape[1]
    least = curves.amin(dim=1, keepdim=True)
    padded = torch.cat((least, curves, least), dim=1)  # as a border of one constant point
    at = (place + 1.0).clamp(0.0, S + 1.0 - 1e-3)
    low = at.detach().floor()
    share = (at - low).flatten(1)
    index = low.long().flatten(1)
    below, above = torch.gather(padded, 1, index), torch.gather(padded, 1, index + 1)
    return (below + share * (above - below)).view(place.shape)


def _along(belief: Tensor, kernel: FloatArray, axis: int) -> Tensor:
    """Correlation along one axis, its ends repeated."""
    weights, reach = _tensor(kernel), len(kernel) // 2
    shape = (1, 1, -1, 1) if axis == 0 else (1, 1, 1, -1)
    edges = (0, 0, reach, reach) if axis == 0 else (reach, reach, 0, 0)
    return conv2d(pad(belief[None, None], edges, mode='replicate'), weights.view(shape))[0, 0]


def _tensor(values: FloatArray) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))
