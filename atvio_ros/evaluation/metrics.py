"""How good a trajectory is: KITTI's t_rel and r_rel, ATE, RPE and the error at the end.

t_rel and r_rel follow the KITTI odometry development kit (evaluate_odometry.cpp; Geiger, Lenz, Urtasun, CVPR 2012):
segments of 100, 200, ... 800 m begin at every 10th frame and end at the first frame that lies further along the
ground truth than that; each segment's error is divided by its nominal length; every segment weighs the same.
Short drives, which have no such segment, have the relative pose error over 10 and 50 m: segments from every frame on,
whose error is divided by the way to their last frame: at 10 m a frame more or less would matter.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atvio_ros.errors import TrajectoryError
from atvio_ros.evaluation.alignment import MATCH_TOLERANCE_NS, Alignment, align, associate
from atvio_ros.geometry import rotation_angle
from atvio_ros.types import NANOSECONDS, FloatArray, Trajectory

SEGMENT_LENGTHS_M = np.arange(100.0, 900.0, 100.0)
FIRST_FRAME_STEP = 10
SHORT_LENGTHS_M = np.array([10.0, 50.0])  # of segments that begin at every frame: short drives have few
MOST_STARTS = 10_000  # of them: a drive of hours has them at every second, third, ... frame
KITTI_FRAME_S = 0.1  # the development kit's; used where there are no stamps
SPEED_BIN_M_S = 2.0  # bins are centred at 2, 4, ... m/s and reach 2 m/s to each side: they overlap by half
AVERAGED = ('t_rel', 'r_rel', 'ate_m', 'length_m', 'frames', 'rpe_m', 'rpe_deg', 'end_error_percent')


@dataclass(frozen=True)
class SegmentErrors:
    """Errors of S segments of the ground truth."""

    first: NDArray[np.int64]  # (S,) frame each segment begins with
    length_m: FloatArray  # (S,) nominal: 100, 200, ... 800
    translation: FloatArray  # (S,) error of the end position / nominal length
    rotation: FloatArray  # (S,) rad/m
    speed: FloatArray  # (S,) m/s, nominal length / duration

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True)
class Bin:
    """The mean error of the segments of one length, or of one range of speed."""

    centre: float  # m or m/s
    t_rel: float  # %
    r_rel: float  # deg/100 m
    segments: int


@dataclass(frozen=True)
class Result:
    """How one estimate compares with its ground truth. None: not defined for so short a trajectory."""

    t_rel: float | None  # %
    r_rel: float | None  # deg/100 m
    ate_m: float  # root mean square distance of positions, after `alignment`
    length_m: float  # along the ground truth, over the matched frames
    frames: int  # matched
    rpe_m: float | None  # root mean square error of the step from one frame to the next
    rpe_deg: float | None
    end_error_m: float  # of the last pose as seen from the first
    end_error_deg: float
    end_error_percent: float | None  # of length_m
    alignment: Alignment  # applied to the estimate before every figure
    scale: float  # that the alignment multiplied the estimate with
    segments: int
    by_length: tuple[Bin, ...]  # centre in m
    by_speed: tuple[Bin, ...]  # centre in m/s
    truth_frames: int  # poses of the ground truth; more than `frames` if the estimate leaves some out
    short: tuple[Bin, ...] = ()  # over 10 and 50 m, from every frame on; centre in m
    constant_speed: dict[str, Any] | None = None  # a baseline's figures, where it was asked for: baseline.py

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON has them."""
        return dataclasses.asdict(self)

    def remarks(self) -> list[str]:
        """Remarks that a reader of the figures needs, a sentence each."""
        remarks = []
        if self.t_rel is None:
            instead = ''.join(f' Over {at.centre:.0f} m the error is {at.t_rel:.2f} %.' for at in self.short)
            if not instead and self.end_error_percent is not None:
                instead = f' See the end error: {self.end_error_percent:.2f} %.'
            remarks.append(
                f'No t_rel and r_rel: they need more than {SEGMENT_LENGTHS_M[0]:.0f} m of ground truth, '
                f'this is {self.length_m:.1f} m.{instead}'
            )
        if self.frames < self.truth_frames:
            remarks.append(f'{self.frames} of {self.truth_frames} poses of the ground truth have an estimate.')
        if self.alignment in ('scale', 'sim3'):
            remarks.append(f'Every figure, t_rel too, is after multiplying the estimate by {self.scale:.4f}.')
        return remarks


def compare(
    truth: Trajectory, estimate: Trajectory, alignment: Alignment = 'none', tolerance_ns: int = MATCH_TOLERANCE_NS
) -> Result:
    """`evaluate` for stamped trajectories of the same moving frame; matches them in time first.

    Raises TrajectoryError as `associate` and `evaluate` do.
    """
    matched_estimate, matched_truth = associate(estimate, truth, tolerance_ns)
    return evaluate(
        matched_truth.poses, matched_estimate.poses, alignment, matched_truth.stamps_ns, truth_frames=len(truth)
    )


def evaluate(
    truth: FloatArray,
    estimate: FloatArray,
    alignment: Alignment = 'none',
    stamps_ns: NDArray[np.int64] | None = None,
    truth_frames: int | None = None,
) -> Result:
    """Compare poses (N, 4, 4) of one moving frame [m], N >= 1, with their ground truth, pose by pose.

    The two may be given in different fixed frames: only ate_m depends on that, and only with alignment none or scale.
    Without stamps (N,) speeds assume KITTI's 10 frames/s. `truth_frames` is how many poses the ground truth had before
    it was matched (default N). Raises TrajectoryError if the numbers of poses differ or a pose is not finite.
    """
    _require_comparable(truth, estimate)
    estimate, scale = align(estimate, truth, alignment)
    distances = distances_along(truth)
    length_m = float(distances[-1])
    frames = np.arange(len(truth))
    step_m, step_rad = _errors(truth, estimate, frames[:-1], frames[1:])
    end_m, end_rad = _errors(truth, estimate, frames[:1], frames[-1:])
    errors = segment_errors(truth, estimate, stamps_ns)
    t_rel, r_rel = _mean_percentages(errors, np.ones(len(errors), dtype=bool))
    return Result(
        t_rel=t_rel,
        r_rel=r_rel,
        ate_m=_rms(np.linalg.norm(truth[:, :3, 3] - estimate[:, :3, 3], axis=1)),
        length_m=length_m,
        frames=len(truth),
        rpe_m=_rms(step_m) if len(truth) > 1 else None,
        rpe_deg=float(np.rad2deg(_rms(step_rad))) if len(truth) > 1 else None,
        end_error_m=float(end_m[0]),
        end_error_deg=float(np.rad2deg(end_rad[0])),
        end_error_percent=100.0 * float(end_m[0]) / length_m if length_m > 0.0 else None,
        alignment=alignment,
        scale=scale,
        segments=len(errors),
        by_length=_by_length(errors),
        by_speed=_by_speed(errors),
        truth_frames=len(truth) if truth_frames is None else truth_frames,
        short=_by_length(_short_errors(truth, estimate), SHORT_LENGTHS_M),
    )


def segment_errors(
    truth: FloatArray,
    estimate: FloatArray,
    stamps_ns: NDArray[np.int64] | None = None,
    lengths_m: FloatArray = SEGMENT_LENGTHS_M,
    step: int = FIRST_FRAME_STEP,
    nominal: bool = True,
) -> SegmentErrors:
    """Errors over segments of poses (N, 4, 4), KITTI's where no others are given; none of a length not driven.

    Errors are divided by the `nominal` length, as KITTI's are, or by the way that was driven.
    """
    distances = distances_along(truth)
    firsts = np.arange(0, len(truth), step)
    ends_m = distances[firsts, None] + lengths_m  # (firsts, lengths)
    lasts = np.searchsorted(distances, ends_m, side='right')  # the first frame beyond
    start, length = np.nonzero(lasts < len(truth))
    first, last, length_m = firsts[start], lasts[start, length], lengths_m[length]
    translation, rotation = _errors(truth, estimate, first, last)
    if stamps_ns is None:
        duration_s = KITTI_FRAME_S * (last - first + 1)  # the development kit counts frames, not intervals
    else:
        duration_s = (stamps_ns[last] - stamps_ns[first]) / NANOSECONDS
    way_m = length_m if nominal else distances[last] - distances[first]
    return SegmentErrors(first, length_m, translation / way_m, rotation / way_m, length_m / duration_s)


def _short_errors(truth: FloatArray, estimate: FloatArray) -> SegmentErrors:
    step = 1 + len(truth) // MOST_STARTS
    return segment_errors(truth, estimate, None, SHORT_LENGTHS_M, step, nominal=False)


def distances_along(poses: FloatArray) -> FloatArray:
    """Path length [m] from the first pose to each of (N, 4, 4): (N,), N >= 1."""
    steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    return np.concatenate(([0.0], np.cumsum(steps)))


def average(results: Iterable[Result]) -> dict[str, float | None]:
    """Mean over sequences, as the paper's tables average; each figure over the sequences that have it."""
    rows = [result.as_dict() for result in results]
    means: dict[str, float | None] = {}
    for figure in AVERAGED:
        values = [row[figure] for row in rows if row[figure] is not None]
        means[figure] = float(np.mean(values)) if values else None
    return means


def _errors(
    truth: FloatArray, estimate: FloatArray, first: NDArray[np.int64], last: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """Error of the motion from frame `first` to frame `last`, M of each: distance [m] (M,) and angle [rad] (M,)."""
    # A general inverse, as in the development kit: rotations read from a file are only as orthogonal as its digits.
    T_truth = np.linalg.inv(truth[first]) @ truth[last]
    T_estimate = np.linalg.inv(estimate[first]) @ estimate[last]
    T_error = np.linalg.inv(T_estimate) @ T_truth
    return np.linalg.norm(T_error[:, :3, 3], axis=1), rotation_angle(T_error[:, :3, :3])


def _by_length(errors: SegmentErrors, lengths_m: FloatArray = SEGMENT_LENGTHS_M) -> tuple[Bin, ...]:
    return _bins(errors, ((length_m, errors.length_m == length_m) for length_m in lengths_m.tolist()))


def _by_speed(errors: SegmentErrors) -> tuple[Bin, ...]:
    below = SPEED_BIN_M_S * np.floor(errors.speed / SPEED_BIN_M_S)  # centres on either side of each segment's speed
    centres: list[float] = np.unique(np.concatenate((below[below > 0.0], below + SPEED_BIN_M_S))).tolist()
    return _bins(errors, ((centre, np.abs(errors.speed - centre) < SPEED_BIN_M_S) for centre in centres))


def _bins(errors: SegmentErrors, selections: Iterable[tuple[float, NDArray[np.bool_]]]) -> tuple[Bin, ...]:
    bins = []
    for centre, chosen in selections:
        t_rel, r_rel = _mean_percentages(errors, chosen)
        if t_rel is not None and r_rel is not None:
            bins.append(Bin(centre, t_rel, r_rel, int(chosen.sum())))
    return tuple(bins)


def _mean_percentages(errors: SegmentErrors, chosen: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    """t_rel [%] and r_rel [deg/100 m] over the chosen segments; None if there is none."""
    if not chosen.any():
        return None, None
    return 100.0 * float(errors.translation[chosen].mean()), 100.0 * float(np.rad2deg(errors.rotation[chosen].mean()))


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _require_comparable(truth: FloatArray, estimate: FloatArray) -> None:
    if len(truth) != len(estimate):
        raise TrajectoryError(
            f'The ground truth has {len(truth)} poses, the estimate {len(estimate)}. Without stamps pose i is compared '
            'with pose i, so both need the same number; stamped (TUM) trajectories are matched in time instead.'
            ' Give as many poses, or two TUM files.'
        )
    if len(truth) == 0:
        raise TrajectoryError('There are no poses to compare. Check the files.')
    for name, poses in (('ground truth', truth), ('estimate', estimate)):
        if not np.isfinite(poses).all():
            raise TrajectoryError(f'The {name} holds NaN or infinity, so it cannot be compared. Leave these poses out.')
