"""Windows for what comes after the filter: drives run once through road branch and filter, then cut into windows."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import huber_loss

from atvio_ros.network.patch_weights import PatchWeights
from atvio_ros.network.road_network import RoadInputs, RoadNetwork, RoadOutput
from atvio_ros.odometry.road_front import RoadFront, RoadStep
from atvio_ros.odometry.road_torch import as_inputs, weighing
from atvio_ros.training.road_drives import RoadDrive
from atvio_ros.training.road_settings import WindowStage

_SQUARE_TO = 6.0  # sigmas; an error beyond counts in proportion, not squared: one lost drive must not decide
_SHAKES = 3.0  # m/s^2, deviation of an accelerometer that tells nothing
_SEEN_S, _LOST_S = (3.0, 8.0), (1.0, 8.0)  # how long the road is seen, and lost, where it is lost now and then


@dataclass(frozen=True)
class RecordedDrive:
    """One drive after road branch and filter; N pairs."""

    name: str
    inputs: RoadInputs  # (1, N, ...)
    motion: Tensor  # (N, 3) true [camera heights], level axes of the newer image; NaN: not known
    continues: NDArray[np.bool_]  # (N,)
    interval_s: Tensor  # (N,)
    height: float  # m


@dataclass(frozen=True)
class Losses:
    """What is lost from view at each of N pairs."""

    road: NDArray[np.bool_]  # (N,)
    all: NDArray[np.bool_]  # (N,)
    felt: NDArray[np.bool_]  # (N,) what the accelerometer reads there is noise


def record(drive: RoadDrive, patches: PatchWeights, losses: Losses | None = None) -> RecordedDrive:
    """Run the road estimator with these weights over a drive, as the odometry does; `losses`: with the road lost."""
    front, rng = RoadFront(drive.sight, weighing(patches)), np.random.default_rng(len(drive))
    steps = []
    for k, pair in enumerate(drive.pairs_with_geometry()):
        if not pair.continues:
            front.reset()
        if losses is None:
            steps.append(front.step(pair))
        else:
            step = front.step(pair, bool(losses.road[k]), bool(losses.felt[k]))
            steps.append(_without(step, bool(losses.all[k]), bool(losses.felt[k]), rng))
    table = drive.table
    return RecordedDrive(
        drive.name,
        as_inputs(steps),
        torch.from_numpy((table.motion / drive.height).astype(np.float32)),
        table.continues,
        torch.from_numpy(table.interval_s.astype(np.float32)),
        drive.height,
    )


def _without(step: RoadStep, views: bool, felt: bool, rng: np.random.Generator) -> RoadStep:
    """A step without its views, or with an accelerometer that only shakes."""
    if views:
        step = dataclasses.replace(step, views=np.zeros_like(step.views))
    if felt:
        shaken = step.imu.copy()
        shaken[:, 3:] = rng.normal(0.0, _SHAKES, shaken[:, 3:].shape)
        step = dataclasses.replace(step, imu=shaken)
    return step


def draw_losses(drive: RoadDrive, stage: WindowStage, rng: np.random.Generator) -> Losses:
    """Lose the road for seconds, again and again; in shares of the times nothing at all is seen, or nothing felt."""
    time_s = np.cumsum(drive.table.interval_s)
    road, everything, felt = (np.zeros(len(drive), bool) for _ in range(3))
    now_s = 0.0
    while now_s < time_s[-1]:
        first_s = now_s + rng.uniform(*_SEEN_S)
        now_s = first_s + rng.uniform(*_LOST_S)
        lost = (time_s > first_s) & (time_s <= now_s)
        road |= lost
        if rng.random() < stage.black:
            everything |= lost
        if rng.random() < stage.numb:
            felt |= lost
    return Losses(road, everything, felt)


class Windows:
    """Draws windows of recorded drives. All that is random comes from the generator that is passed."""

    def __init__(self, drives: Sequence[RecordedDrive], settings: WindowStage) -> None:
        self._drives, self._settings = list(drives), settings
        self._starts = []
        for d, drive in enumerate(drives):
            good = torch.isfinite(drive.motion).all(dim=1).numpy()
            linked = np.concatenate(([0], np.cumsum(good & np.concatenate(([True], drive.continues[1:])))))
            length = settings.window
            whole = linked[length:] - linked[:-length] == length
            self._starts += [(d, int(k)) for k in np.flatnonzero(whole)]

    def __len__(self) -> int:
        return len(self._starts)

    def batch(self, rng: np.random.Generator) -> tuple[RoadInputs, Tensor]:
        """Inputs (B, T, ...) and true motions (B, T, 3)."""
        settings = self._settings
        chosen = [self._starts[int(i)] for i in rng.integers(0, len(self._starts), settings.batch_size)]
        parts, truths = [], []
        for d, first in chosen:
            drive, span = self._drives[d], slice(first, first + settings.window)
            parts.append(RoadInputs(*(tensor[:, span] for tensor in drive.inputs)))
            truths.append(drive.motion[span])
        joined = RoadInputs(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
        return joined, torch.stack(truths)


def window_loss(output: RoadOutput, truth: Tensor, settings: WindowStage) -> tuple[Tensor, Tensor]:
    """Heteroscedastic negative log-likelihood of true motions (B, T, 3) with that of the perspective's way and of the
    way over the whole window; and that of the motions alone."""
    error = (output.motion - truth) / output.log_sigma.exp()
    motion = (_bounded_square(error) + output.log_sigma).mean()
    along = truth[..., 2]
    moves = ((along > 0.02) & (output.gate > 0.0)).float()  # where the perspective was looked at
    log_error = output.perspective[..., 0] - along.clamp(min=0.02).log()
    seen = _bounded_square(log_error / output.perspective[..., 1].exp()) + output.perspective[..., 1]
    perspective = (seen * moves).sum() / moves.sum().clamp(min=1.0)
    way = along.sum(dim=1)
    drift = (output.motion[..., 2].sum(dim=1) - way) / (settings.drift_share * way.abs() + 0.02)
    total = motion + 0.2 * perspective + settings.drift_weight * drift.abs().clamp(max=10.0).mean()
    return total, motion


def _bounded_square(error: Tensor) -> Tensor:
    """Half the square of errors in sigmas, straight on from where it is steep (Huber)."""
    return huber_loss(error, torch.zeros_like(error), reduction='none', delta=_SQUARE_TO)


@torch.inference_mode()
def run_drive(network: RoadNetwork, drive: RecordedDrive) -> RoadOutput:
    """The network over a whole recorded drive; its memory is cleared where the odometry would."""
    edges = [*np.flatnonzero(~drive.continues).tolist(), len(drive.continues)]
    edges = edges if edges[0] == 0 else [0, *edges]
    outputs = []
    for first, after in itertools.pairwise(edges):
        if after > first:
            outputs.append(network(RoadInputs(*(tensor[:, first:after] for tensor in drive.inputs))))
    joined = [torch.cat(parts, dim=1) for parts in zip(*(output[:5] for output in outputs), strict=True)]
    return RoadOutput(joined[0], joined[1], joined[2], joined[3], joined[4], outputs[-1].state)
