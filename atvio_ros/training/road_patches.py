"""What the weights of patches learn from: windows of recorded drives, through the filter that joins the curves.

A window begins with the belief in the true speed, or in what the road estimator found: a network must hold on to what
is right, and come back from what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from atvio_ros.network.patch_weights import PatchWeights
from atvio_ros.network.road_config import FIGURES, RoadConfig
from atvio_ros.odometry.road_front import RoadFront, RoadStep
from atvio_ros.odometry.road_torch import weighing
from atvio_ros.odometry.sight import Sight
from atvio_ros.road.shift_curves import ShiftCurves
from atvio_ros.road.speed_filter import SpeedSettings
from atvio_ros.training.road_drives import RoadDrive
from atvio_ros.training.road_filter import DifferentiableFilter
from atvio_ros.training.road_settings import PatchStage
from atvio_ros.types import FloatArray

SETTLED = 10  # pairs of a drive that do not count
_OUTLIERS = 0.01  # share of pairs that no belief can explain
_SHARP, _SHARP_H = 0.01, 0.05  # deviation of what counts as the true speed: a share of it, camera heights a second
_AWAY, _AWAY_H, _MOST_AWAY = 0.02, 0.1, 10.0  # the error that counts one, and how many count at most


@dataclass(frozen=True)
class PatchDrive:
    """One drive whose road was compared with equal weights: N pairs, at most P patches."""

    name: str
    says: NDArray[np.float16]  # (N, P, cells) log-likelihoods of shifts
    figures: Tensor  # (N, P, FIGURES)
    band: Tensor  # (N, P) 0 where there is none
    there: Tensor  # (N, P) 1 where there is a patch
    spans: FloatArray  # (N, 7) span, interval, weight, acceleration, its sigma, gained, 1 if it continues
    base: FloatArray  # (N, 2) speed found with equal weights, its sigma [camera heights a second]
    truth: FloatArray  # (N,) speed [camera heights a second]; NaN: not known
    finer: Tensor  # (S, cells) from cells to finer shifts
    filter: DifferentiableFilter

    def __len__(self) -> int:
        return len(self.truth)


def record_patches(drive: RoadDrive) -> PatchDrive:
    """Run the road estimator over a drive."""
    front = RoadFront(drive.sight, weighing(PatchWeights(RoadConfig())))  # untrained: equal weights
    steps = []
    for pair in drive.pairs_with_geometry():
        if not pair.continues:
            front.reset()
        steps.append(front.step(pair))
    return _as_drive(drive, steps, front.road.matcher, drive.sight)


def _as_drive(drive: RoadDrive, steps: Sequence[RoadStep], matcher: ShiftCurves, sight: Sight) -> PatchDrive:
    N, P = len(steps), max(1, *(len(step.reading.said.patches) for step in steps))
    cells = round((matcher.settings.farthest_shift + matcher.settings.backward_shift) / matcher.settings.cell) + 1
    says = np.zeros((N, P, cells), np.float16)
    figures, band = np.zeros((N, P, FIGURES), np.float32), np.zeros((N, P), np.int64)
    there = np.zeros((N, P), np.float32)
    for n, step in enumerate(steps):
        count = len(step.reading.said.patches)
        if count:
            says[n, :count] = [patch.says for patch in step.reading.said.patches]
            band[n, :count] = [patch.band for patch in step.reading.said.patches]
            figures[n, :count], there[n, :count] = step.reading.said.figures, 1.0
    table = drive.table
    spans = [
        (s.reading.span_s, table.interval_s[n], s.reading.weight if s.reading.seen else 0.0, *s.reading.felt,
         s.reading.gained_h, float(table.continues[n]))
        for n, s in enumerate(steps)
    ]  # fmt: skip
    base = [(step.reading.found.speed, step.reading.found.sigma) for step in steps]
    truth = table.motion[:, 2] / sight.camera_height / table.interval_s
    fastest = float(np.nanmax(np.concatenate((truth, [speed for speed, _ in base])), initial=0.0))
    bands = len(matcher.depth)
    identity = np.eye(cells, dtype=np.float32)
    finer = np.concatenate([matcher.interpolated(part) for part in np.array_split(identity, -(-cells // bands))])
    return PatchDrive(
        drive.name, says, torch.from_numpy(figures), torch.from_numpy(band), torch.from_numpy(there),
        np.array(spans), np.array(base), truth, torch.from_numpy(finer.T.copy()),
        DifferentiableFilter(
            sight.camera_height, matcher.shifts, matcher.depth, 1.4 * fastest + 3.0 / sight.camera_height,
            SpeedSettings(),
        ),
    )  # fmt: skip


class PatchWindows:
    """Draws windows of drives. All that is random comes from the generator that is passed."""

    def __init__(self, drives: Sequence[PatchDrive], settings: PatchStage) -> None:
        self._drives, self._settings = list(drives), settings
        self._starts = []
        for d, drive in enumerate(drives):
            good = np.isfinite(drive.truth) & (drive.spans[:, 6] > 0.0)
            linked = np.concatenate(([0], np.cumsum(good)))
            whole = linked[settings.window :] - linked[: -settings.window] == settings.window
            self._starts += [(d, int(k)) for k in np.flatnonzero(whole) if k > 0]

    def __len__(self) -> int:
        return len(self._starts)

    def loss(self, weights: PatchWeights, rng: np.random.Generator) -> Tensor:
        """Of one window."""
        settings = self._settings
        d, first = self._starts[int(rng.integers(0, len(self._starts)))]
        drive = self._drives[d]
        if rng.random() < settings.from_truth:
            speed, sigma = float(drive.truth[first - 1]), 0.02 * abs(float(drive.truth[first - 1])) + 0.1
        else:
            speed, sigma = (float(value) for value in drive.base[first - 1])
        span = slice(first, first + settings.window)
        kept = torch.from_numpy((rng.random(drive.there[span].shape) >= settings.dropped).astype(np.float32))
        belief = drive.filter.around(speed, min(sigma, 1.0))
        losses, _ = through(drive, weights, belief, span, drive.there[span] * kept)
        return losses.mean()


def through(
    drive: PatchDrive, weights: PatchWeights, belief: Tensor, span: slice, there: Tensor
) -> tuple[Tensor, Tensor]:
    """Losses and speeds (n,) of consecutive pairs."""
    filtering = drive.filter
    chosen = weights(drive.figures[span], there)  # (n, P)
    bands = len(filtering.stretch)
    one_hot = torch.nn.functional.one_hot(drive.band[span], bands).float() * chosen[..., None]  # (n, P, B)
    says = torch.from_numpy(drive.says[span].astype(np.float32))
    curves = torch.einsum('npb,npc->nbc', one_hot, says) @ drive.finer.T  # (n, B, S)
    losses, speeds = [], []
    for curve, values, true in zip(curves, drive.spans[span], drive.truth[span], strict=True):
        span_s, interval_s, weight, acceleration, sigma, gained, continues = values.tolist()
        if not continues:
            belief = torch.ones_like(belief) / len(filtering.speeds) * filtering.tilts_alone
        belief = filtering.update(belief, curve, span_s, interval_s, weight, (acceleration, sigma), gained)
        losses.append(_surprise(belief, filtering.speeds, true))
        speeds.append(filtering.mean(belief))
    return torch.stack(losses), torch.stack(speeds)


def _surprise(belief: Tensor, speeds: Tensor, true: float) -> Tensor:
    """How badly a belief explains the true speed: its negative log-likelihood, and how far off it is in the mean."""
    of_speed = belief.sum(dim=1)
    size = abs(true)
    sharp = float(np.hypot(_SHARP * size, _SHARP_H))
    near = torch.exp(-0.5 * ((speeds - true) / sharp).square())
    likelihood = (of_speed * near).sum()
    away = ((speeds - true).abs() / (_AWAY * size + _AWAY_H)).clamp(max=_MOST_AWAY)
    return -torch.log((1.0 - _OUTLIERS) * likelihood + 0.01 * _OUTLIERS) + 0.2 * (of_speed * away).sum()


@torch.inference_mode()
def validate_patches(weights: PatchWeights, drives: Sequence[PatchDrive]) -> tuple[float, dict[str, float]]:
    """Mean loss of whole drives, each from any speed at its start, and figures for people."""
    losses, away, off = [], [], []
    for drive in drives:
        filtering = drive.filter
        nothing = torch.ones(len(filtering.speeds), 1) / len(filtering.speeds) * filtering.tilts_alone
        found, speeds = through(drive, weights, nothing, slice(0, len(drive)), drive.there)
        known = np.isfinite(drive.truth) & (np.arange(len(drive)) >= SETTLED)
        true, speed, interval_s = drive.truth[known], speeds.numpy()[known], drive.spans[known, 1]
        losses.append(float(found[torch.from_numpy(known)].mean()))
        away.append(abs(float(((speed - true) * interval_s).sum() / max(abs(float((true * interval_s).sum())), 1.0))))
        off.append(float(np.mean(np.abs(speed - true) > 0.1 * np.maximum(np.abs(true), 0.3))))
    score = float(np.mean(losses))
    return score, {
        'loss': score,
        'way off by %': 100.0 * float(np.mean(away)),
        'median': 100.0 * float(np.median(away)),
        'frames off by more than 10 %': 100.0 * float(np.mean(off)),
    }
