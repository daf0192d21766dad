"""Frame pairs for the road branch: views drawn anew for each sample, a little off their level, and the true shift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from atvio_ros.network.road_config import RoadConfig
from atvio_ros.network.road_matching import RoadMatcher, RoadViews, joint_likelihood, within_reach
from atvio_ros.odometry.older_images import MOST_SPAN_S, WANTED_SHIFT_H
from atvio_ros.odometry.road_torch import as_batch
from atvio_ros.odometry.road_views import MARGIN_H, DrawnPair, RoadDrawer
from atvio_ros.settings import setting
from atvio_ros.training.road_drives import RoadDrive

TILTS = torch.deg2rad(torch.arange(-1.5, 1.51, 0.15))  # whose likelihood is trained
_TILT_PRIOR = float(np.radians(0.5))
_OUTLIERS = 0.01  # share of pairs that no curve can explain


@dataclass(frozen=True)
class PairAugmentation:
    """How a pair differs from what the odometry would have drawn."""

    pitch_deg: float = setting(0.4, 'Deviation of the level of a view beside the measured one [deg].', minimum=0.0)
    yaw_deg: float = setting(0.3, 'The same of its direction [deg].', minimum=0.0)
    longer: float = setting(0.25, 'Share of pairs compared with an older image than needed.', minimum=0.0, maximum=1.0)
    mirror: bool = setting(True, 'Mirror every other pair left to right.')
    contrast: float = setting(0.3, 'Deviation of the logarithm of the contrast of a pair.', minimum=0.0)
    noise: float = setting(1.5, 'Largest deviation of noise added to a view [grey levels].', minimum=0.0)
    moving: float = setting(0.3, 'Share of pairs with something in view that moves with the robot.', minimum=0.0)


class PairSample(NamedTuple):
    """One pair, drawn."""

    drawn: DrawnPair
    drawer: RoadDrawer
    shift: float  # true, cells
    tilt: float  # rad, by which the view was tilted too far


class RoadPairs:
    """Draws samples of a set of drives. All that is random comes from the generator that is passed."""

    def __init__(self, drives: Sequence[RoadDrive], config: RoadConfig, augmentation: PairAugmentation) -> None:
        self._drives = list(drives)
        self._drawers = [RoadDrawer(drive.sight, config) for drive in drives]
        self._config, self._augmentation = config, augmentation
        known = [np.flatnonzero(np.isfinite(drive.table.motion[:, 2])) for drive in drives]
        self.index = [(d, int(k)) for d, ks in enumerate(known) for k in ks]

    def __len__(self) -> int:
        return len(self.index)

    def sample(self, which: int, rng: np.random.Generator | None) -> PairSample | None:
        """Sample `which` of the index, changed at random; without a generator as it is. None: it moves too far."""
        d, k = self.index[which]
        drive, drawer, change = self._drives[d], self._drawers[d], self._augmentation
        steps = self._steps(drive, k, rng)
        older, R, _ = drive.older(k, steps)
        shift = drive.way_h(k, steps) / drawer.cell
        if not -self._config.backward + 1 <= shift <= self._config.forward - 1:
            return None
        R_level, tilt = drive.table.R_image_level[k], 0.0
        if rng is not None:
            turned = np.radians(rng.normal(size=2) * (change.pitch_deg, change.yaw_deg))
            R_level, tilt = R_level @ Rotation.from_euler('xy', turned).as_matrix(), -float(turned[0])
        images = drive.sequence.images
        drawn = drawer.draw(np.asarray(images[older]), np.asarray(images[drive.table.newer[k]]), R, R_level)
        return PairSample(drawn if rng is None else self._changed(drawn, rng), drawer, shift, tilt)

    def _steps(self, drive: RoadDrive, k: int, rng: np.random.Generator | None) -> int:
        """How many images before the newer one the older one is: as the odometry chooses by its speed, or more."""
        possible = drive.steps_before(k)
        wanted = WANTED_SHIFT_H * (1.0 if rng is None else float(rng.uniform(0.6, 1.6)))
        steps, span_s = 1, float(drive.table.interval_s[k])
        while steps < possible and abs(drive.way_h(k, steps)) < wanted:
            span_s += float(drive.table.interval_s[k - steps])
            if span_s > MOST_SPAN_S:
                break
            steps += 1
        if rng is not None and rng.random() < self._augmentation.longer:
            steps = min(possible, steps + int(rng.integers(1, 3)))
        return steps

    def _changed(self, drawn: DrawnPair, rng: np.random.Generator) -> DrawnPair:
        change = self._augmentation
        older, newer, seen = drawn.older, drawn.newer, drawn.seen
        if rng.random() < change.moving:
            older, newer = _with_company(older, newer, seen, rng)
        gain = float(np.exp(rng.normal() * change.contrast))
        views = []
        for view in (older, newer):
            noise = rng.normal(size=view.shape).astype(np.float32) * float(rng.uniform(0.0, change.noise)) * 0.5
            views.append((view * gain + noise * (view != 0.0)).astype(np.float32))
        older, newer = views
        if change.mirror and rng.random() < 0.5:
            older, newer, seen = (np.ascontiguousarray(view[:, ::-1]) for view in (older, newer, seen))
        return DrawnPair(older, newer, seen)


def _with_company(
    older: NDArray[np.float32], newer: NDArray[np.float32], seen: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both views with the same patch at the same place, as of a vehicle ahead, often of more contrast than the road."""
    rows, columns = newer.shape
    height, width = int(rng.integers(rows // 10, rows // 2)), int(rng.integers(columns // 8, round(0.8 * columns)))
    top, from_top = (int(each) for each in rng.integers(0, rows - height, 2))
    left, from_left = (int(each) for each in rng.integers(0, columns - width, 2))
    texture = older[from_top : from_top + height, from_left : from_left + width]
    patch = texture * float(np.exp(rng.normal(0.8, 0.8)))
    part = slice(top, top + height), slice(left, left + width)
    older, newer = older.copy(), newer.copy()
    older[part] = patch
    newer[part] = patch * seen[part]
    return older, newer


def as_views(samples: Sequence[PairSample]) -> RoadViews:
    """A batch of samples as the network takes them."""
    return as_batch([sample.drawn for sample in samples], [sample.drawer for sample in samples])


def pair_loss(matcher: RoadMatcher, samples: Sequence[PairSample], tilt_sigma: float) -> tuple[Tensor, Tensor]:
    """Mean negative log-likelihood of what is true of N pairs, and the most likely shifts (N,) less the true ones.

    True are a shift and a tilt: that which was added to the view, give or take `tilt_sigma` [rad]. The curves must
    explain both together, among all shifts and tilts. Trained by the shift alone, bands learn to be off against each
    other, which a filter that finds the tilt over many pairs takes for a tilt: distances were 2 to 4 % wrong.
    """
    config, views = matcher.config, as_views(samples)
    shift, tilt = (
        torch.tensor([getattr(sample, name) for sample in samples], dtype=torch.float32) for name in ('shift', 'tilt')
    )
    curves, present = matcher(views)
    curves = within_reach(curves, present, config.backward, shift + MARGIN_H / views.cell)
    steps = torch.arange(-config.backward, config.forward + 1, dtype=torch.float32)
    prior = -0.5 * (TILTS / _TILT_PRIOR).square()
    everything = joint_likelihood(curves, views.depth, config.backward, steps, TILTS) + prior  # (N, V, T)
    true = joint_likelihood(curves, views.depth, config.backward, shift[:, None], TILTS)[:, 0] + prior  # (N, T)
    near = torch.log_softmax(-0.5 * ((TILTS - tilt[:, None]) / tilt_sigma).square(), dim=1)  # (N, T)
    found = torch.logsumexp(true + near, dim=1) - torch.logsumexp(everything.flatten(1), dim=1)
    flat = -float(np.log(len(steps) * len(TILTS)))
    share = float(np.log1p(-_OUTLIERS)), float(np.log(_OUTLIERS))
    loss = -torch.logaddexp(found + share[0], torch.full_like(found, flat + share[1])).mean()
    best = steps[torch.logsumexp(everything.detach(), dim=2).argmax(dim=1)]
    return loss, best - shift
