"""Windows for what comes after the filter: drives run once through road branch and filter, then cut into windows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import huber_loss

from atvio_ros.network.road_matching import RoadMatcher
from atvio_ros.network.road_network import RoadInputs, RoadNetwork, RoadOutput
from atvio_ros.odometry.road_front import RoadFront
from atvio_ros.odometry.road_torch import as_inputs, matching
from atvio_ros.training.road_drives import RoadDrive
from atvio_ros.training.road_settings import WindowStage
from atvio_ros.types import CameraFrame, FramePair, ImuWindow, PairGeometry

_SQUARE_TO = 6.0  # sigmas; an error beyond counts in proportion, not squared: one lost drive must not decide
_NO_READINGS = ImuWindow(np.empty(0, np.int64), np.empty((0, 6)))


@dataclass(frozen=True)
class RecordedDrive:
    """One drive after road branch and filter; N pairs."""

    name: str
    inputs: RoadInputs  # (1, N, ...)
    motion: Tensor  # (N, 3) true [camera heights], level axes of the newer image; NaN: not known
    continues: NDArray[np.bool_]  # (N,)
    interval_s: Tensor  # (N,)
    height: float  # m


def record(drive: RoadDrive, matcher: RoadMatcher) -> RecordedDrive:
    """Run road branch and filter over a drive, as the odometry does."""
    table, sequence = drive.table, drive.sequence
    front = RoadFront(drive.sight, matcher.config, matching(matcher))
    steps = []
    for k, newer in enumerate(table.newer.tolist()):
        previous, current = (
            CameraFrame(int(sequence.image_stamps_ns[i]), np.asarray(sequence.images[i])) for i in (newer - 1, newer)
        )
        geometry = PairGeometry(
            R_previous_current=table.R_previous_current[k],
            R_image_level=table.R_image_level[k],
            pitch_sigma=float(table.pitch_sigma[k]),
            confident=bool(table.confident[k]),
            lost=bool(table.lost[k]),
            gyro_correction=np.zeros(3),
            yaw_sigma=float(table.yaw_sigma[k]),
        )
        pair = FramePair(previous, current, _NO_READINGS, bool(table.continues[k]), geometry)
        steps.append(front.step_from(pair, geometry, np.array(table.imu[k])))
    return RecordedDrive(
        drive.name,
        as_inputs(steps),
        torch.from_numpy((table.motion / drive.height).astype(np.float32)),
        table.continues,
        torch.from_numpy(table.interval_s.astype(np.float32)),
        drive.height,
    )


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
            inputs = RoadInputs(*(tensor[:, span].clone() for tensor in drive.inputs))
            if rng.random() < settings.blind:
                blinded(inputs, int(rng.integers(1, settings.window)), drive.interval_s[span], drive.height)
            parts.append(inputs)
            truths.append(drive.motion[span])
        joined = RoadInputs(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
        return joined, torch.stack(truths)


def blinded(inputs: RoadInputs, first: int, interval_s: Tensor, height: float) -> None:
    """Change one window (1, T, ...) in place to what it is where no road is in view from pair `first` on.

    The filter then goes on with the last speed, ever less certain of it.
    """
    speed = inputs.way[0, first - 1] / interval_s[first - 1]
    way = speed * interval_s[first:]
    unsure = 1.0 / height * torch.cumsum(interval_s[first:], dim=0).sqrt()  # camera heights a second
    along = unsure * interval_s[first:]
    inputs.way[0, first:] = way
    inputs.sigma[0, first:, 2] = (inputs.sigma[0, first:, 2].square() + along.square()).sqrt()
    inputs.curves[0, first:] = 0.0
    scalars = inputs.scalars[0, first:]
    scalars[:, 0] = way
    scalars[:, 1] = (along / way.abs().clamp(min=0.05)).clamp(max=3.0)
    for column, value in ((3, 0.0), (4, 3.0), (5, 0.0), (6, 0.0), (7, float(np.log(0.1)))):
        scalars[:, column] = value


def window_loss(output: RoadOutput, truth: Tensor, settings: WindowStage) -> tuple[Tensor, Tensor]:
    """Heteroscedastic negative log-likelihood of true motions (B, T, 3) with that of the perspective's way and of the
    way over the whole window; and that of the motions alone."""
    error = (output.motion - truth) / output.log_sigma.exp()
    motion = (_bounded_square(error) + output.log_sigma).mean()
    along = truth[..., 2]
    moves = (along > 0.02).float()
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
