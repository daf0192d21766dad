"""Ground truth from what people have: a topic of poses or GPS fixes, a TUM file of another system, or a pair of frames.

What is known may be whole poses (TrueMotion.poses) or positions alone (TrueMotion.fixes); both become a trajectory of
base_link beside an estimate, interpolated at its stamps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.topics import BASE_FRAME
from atvio_ros.drives.prepare import poses_at
from atvio_ros.errors import BagError, TrajectoryError
from atvio_ros.geodesy import east_north_up
from atvio_ros.geometry import inverse, rotations
from atvio_ros.messages import NAV_SAT_FIX
from atvio_ros.rig.rig import Rig
from atvio_ros.trajectory_files import read_tum
from atvio_ros.transform_tree import lookup
from atvio_ros.types import NANOSECONDS, FloatArray, Trajectory

FITTED_WITHIN_M = 25.0  # to each side: over which way the heading of a position is found
COARSE_M = 0.1  # standard deviation of fixes beyond which distances over some metres are not told
_MAX_FIX_GAP_NS = 2 * NANOSECONDS


@dataclass(frozen=True)
class TruthSource:
    """Where a user says the truth is; nothing of it: the bag's topic for ground truth."""

    file: Path | None = None  # TUM trajectory
    frame: str = 'base'  # whose poses the file has: base, camera or imu
    transforms: tuple[str, str] | None = None  # fixed and moving frame on /tf


@dataclass(frozen=True)
class Fixes:
    """Positions of a GPS antenna, east north up [m]."""

    stamps_ns: NDArray[np.int64]  # (N,) increasing
    positions: FloatArray  # (N, 3)
    antenna: FloatArray  # (3,) in base_link [m]
    sigma_m: float  # median horizontal standard deviation that the receiver claims; nan: it does not say


@dataclass(frozen=True)
class TrueMotion:
    """What is known of the true motion of base_link, and remarks on that, a sentence each."""

    poses: Trajectory | None = None
    fixes: Fixes | None = None
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.poses is not None or self.fixes is not None

    def beside(self, estimate: Trajectory) -> Trajectory | None:
        """True poses of base_link to compare an estimate with; None where nothing is known.

        Poses that mostly have the stamps of the estimate are handed out as they are, others interpolated at these.
        Raises TrajectoryError where truth and estimate share too little time.
        """
        if self.fixes is not None:
            return oriented(self.fixes, estimate)
        if self.poses is None:
            return None
        shared = np.isin(estimate.stamps_ns, self.poses.stamps_ns).mean()
        return self.poses if shared >= 0.5 else _interpolated(self.poses, estimate.stamps_ns)


def find_truth(reader: BagReader, rig: Rig, source: TruthSource | None = None) -> TrueMotion:
    """What an open bag, or `source` beside it, tells of the true motion. Raises BagError, TrajectoryError."""
    source = source or TruthSource()
    if source.file is not None:
        poses = _of_base(read_tum(source.file), source.frame, rig)
        return TrueMotion(poses, notes=(f'Ground truth: {len(poses)} poses of {source.file.name}.',))
    if source.transforms is not None:
        poses = reader.moving_transform(*source.transforms)
        return TrueMotion(poses, notes=(f'Ground truth: {len(poses)} transforms {" -> ".join(source.transforms)}.',))
    topic = reader.topics.ground_truth
    if topic is None:
        return TrueMotion()
    if reader.types({topic}).get(topic) != NAV_SAT_FIX:
        return TrueMotion(reader.ground_truth())
    return _fixes(reader, topic)


def oriented(fixes: Fixes, estimate: Trajectory) -> Trajectory:
    """True poses at the stamps of an estimate, from positions alone.

    Each has the orientation of the estimate, turned about the vertical so that the estimated way within
    FITTED_WITHIN_M fits the true positions best (least squares in the plane). So errors of position and heading show,
    those of roll and pitch do not. Raises TrajectoryError where they share too little time or way.
    """
    at_ns, kept = estimate.stamps_ns, np.zeros(len(estimate), dtype=bool)
    after = np.searchsorted(fixes.stamps_ns, at_ns, side='left')
    inside = (after > 0) & (after < len(fixes.stamps_ns))
    gaps = np.diff(fixes.stamps_ns, prepend=fixes.stamps_ns[0], append=fixes.stamps_ns[-1])
    kept = inside & (gaps[np.minimum(after, len(fixes.stamps_ns) - 1)] <= _MAX_FIX_GAP_NS)
    if kept.sum() < 2:
        raise TrajectoryError(
            f'The {len(fixes.stamps_ns)} GPS fixes and the odometry share no time. Stamp both with one clock.'
        )
    poses = estimate.poses[kept]
    seconds = (fixes.stamps_ns - fixes.stamps_ns[0]) / NANOSECONDS
    wanted = (at_ns[kept] - fixes.stamps_ns[0]) / NANOSECONDS
    true = np.stack([np.interp(wanted, seconds, fixes.positions[:, axis]) for axis in range(3)], axis=1)
    seen = poses[:, :3, 3] + poses[:, :3, :3] @ fixes.antenna
    turns = _headings(seen, true)
    result = np.tile(np.eye(4), (len(poses), 1, 1))
    result[:, :3, :3] = rotations(turns[:, None] * np.array([0.0, 0.0, 1.0])) @ poses[:, :3, :3]
    result[:, :3, 3] = true - result[:, :3, :3] @ fixes.antenna
    return Trajectory(at_ns[kept], result)


def _headings(seen: FloatArray, true: FloatArray) -> FloatArray:
    """(N,) angle [rad] about the vertical that turns the estimated way (N, 3) about each point onto the true one."""
    along = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(true[:, :2], axis=0), axis=1))))
    if along[-1] < 1.0:
        raise TrajectoryError(f'The GPS fixes move {along[-1]:.2f} m: too little to find a heading. Drive farther.')
    first = np.searchsorted(along, along - FITTED_WITHIN_M, side='left')
    last = np.searchsorted(along, along + FITTED_WITHIN_M, side='right')
    turns = np.empty(len(true))
    for i, (a, b) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        p, q = seen[a:b, :2] - seen[a:b, :2].mean(axis=0), true[a:b, :2] - true[a:b, :2].mean(axis=0)
        turns[i] = np.arctan2((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum(), (p * q).sum())
    return turns


def _interpolated(truth: Trajectory, stamps_ns: NDArray[np.int64]) -> Trajectory:
    poses = poses_at(truth, stamps_ns)
    known = np.isfinite(poses).all(axis=(1, 2))
    if not known.any():
        raise TrajectoryError(
            f'The ground truth ({len(truth)} poses, from {truth.stamps_ns[0] / NANOSECONDS:.3f} s to '
            f'{truth.stamps_ns[-1] / NANOSECONDS:.3f} s) and the odometry ({stamps_ns[0] / NANOSECONDS:.3f} s to '
            f'{stamps_ns[-1] / NANOSECONDS:.3f} s) share no time, or its poses are over 0.25 s apart. Stamp both '
            'with one clock, and give poses more often.'
        )
    return Trajectory(stamps_ns[known], poses[known])


def _of_base(trajectory: Trajectory, frame: str, rig: Rig) -> Trajectory:
    """Poses of base_link, from those of a part of the robot; by increasing stamp, of one stamp the first."""
    T_base_part = {'base': np.eye(4), 'camera': rig.T_base_camera, 'imu': rig.T_base_imu}[frame]
    stamps_ns, first = np.unique(trajectory.stamps_ns, return_index=True)
    return Trajectory(stamps_ns, trajectory.poses[first] @ inverse(T_base_part))


def _fixes(reader: BagReader, topic: str) -> TrueMotion:
    rows = reader.fixes(topic)
    stamps_ns, first = np.unique(np.array([row.stamp_ns for row in rows], dtype=np.int64), return_index=True)
    if len(stamps_ns) < 2:
        raise BagError(
            f'{reader.path} has {len(stamps_ns)} GPS fixes on {topic}: none to compare with.'
            ' Name another topic with --ground-truth-topic.'
        )
    kept = [rows[i] for i in first]
    positions = east_north_up(np.array([row.degrees_and_height for row in kept]))
    sigmas = [row.sigma_m for row in kept if np.isfinite(row.sigma_m)]
    sigma_m = float(np.median(sigmas)) if sigmas else float('nan')
    T = lookup(reader.static_transforms(), BASE_FRAME, kept[0].frame_id)
    notes = [
        f'Ground truth: {len(kept)} GPS fixes on {topic}; heading is fitted to {2 * FITTED_WITHIN_M:.0f} m of the way, '
        'errors of roll and pitch do not show.'
    ]
    if T is None:
        notes.append(
            f'/tf_static does not say where the antenna ({kept[0].frame_id or "no frame"}) sits: it is taken to be at '
            f'{BASE_FRAME}, which is wrong in turns by its distance.'
        )
    if sigma_m > COARSE_M:
        notes.append(
            f'The receiver claims {sigma_m:.2g} m (one sigma): figures over short ways are those of the GPS. RTK has '
            '0.02 m.'
        )
    antenna = np.zeros(3) if T is None else T[:3, 3]
    return TrueMotion(fixes=Fixes(stamps_ns, positions, antenna, sigma_m), notes=tuple(notes))
