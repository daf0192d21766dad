"""Brings an estimate and its ground truth together: in time by stamps, in space by a named alignment."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from atvio_ros.errors import TrajectoryError
from atvio_ros.geometry import inverse
from atvio_ros.types import FloatArray, Trajectory

Alignment = Literal['none', 'scale', 'se3', 'sim3']
ALIGNMENTS: tuple[Alignment, ...] = get_args(Alignment)

MATCH_TOLERANCE_NS = 10_000_000
MATCH_SHARE = 0.5  # of the shorter trajectory; below it the clocks differ rather than the rates


def associate(
    estimate: Trajectory, truth: Trajectory, tolerance_ns: int = MATCH_TOLERANCE_NS
) -> tuple[Trajectory, Trajectory]:
    """The poses of both trajectories that belong together, M >= 1 of each, pose i beside pose i.

    Two poses match if each is the nearest to the other in time and they are at most `tolerance_ns` apart. Raises
    TrajectoryError if stamps do not increase, or if less than half of the shorter trajectory finds a match.
    """
    for name, trajectory in (('estimate', estimate), ('ground truth', truth)):
        _require_increasing(name, trajectory.stamps_ns)
    nearest_truth = _nearest(estimate.stamps_ns, truth.stamps_ns)
    nearest_estimate = _nearest(truth.stamps_ns, estimate.stamps_ns)
    apart_ns = np.abs(estimate.stamps_ns - truth.stamps_ns[nearest_truth])
    mutual = nearest_estimate[nearest_truth] == np.arange(len(estimate))
    matched = np.flatnonzero(mutual & (apart_ns <= tolerance_ns))
    shorter = min(len(estimate), len(truth))
    if len(matched) < max(1.0, MATCH_SHARE * shorter):
        raise TrajectoryError(
            f'Only {len(matched)} poses match in time: the estimate has {len(estimate)} poses, the ground truth '
            f'{len(truth)}, matched within {tolerance_ns / 1e6:g} ms; at least {MATCH_SHARE:.0%} of the shorter must. '
            f'The nearest two are {apart_ns.min() / 1e6:.6g} ms apart. Check that both use the same clock.'
        )
    partners = nearest_truth[matched]
    return (
        Trajectory(estimate.stamps_ns[matched], estimate.poses[matched]),
        Trajectory(truth.stamps_ns[partners], truth.poses[partners]),
    )


def align(estimate: FloatArray, truth: FloatArray, alignment: Alignment) -> tuple[FloatArray, float]:
    """The estimate (N, 4, 4) brought onto the truth (N, 4, 4) and the scale applied to its positions.

    none: as it is. scale: positions times the scale of the sim3 alignment, about the origin. se3, sim3: the rigid
    motion, or the similarity, with the least sum of squared distances between positions (Umeyama 1991).
    Raises TrajectoryError if a scale is asked of a trajectory that does not move.
    """
    aligned = estimate.copy()
    if alignment == 'none':
        return aligned, 1.0
    scale, R, t = umeyama(estimate[:, :3, 3], truth[:, :3, 3], with_scale=alignment != 'se3')
    if alignment == 'scale':
        R, t = np.eye(3), np.zeros(3)
    aligned[:, :3, :3] = R @ estimate[:, :3, :3]
    aligned[:, :3, 3] = scale * estimate[:, :3, 3] @ R.T + t
    return aligned, scale


def umeyama(source: FloatArray, target: FloatArray, with_scale: bool) -> tuple[float, FloatArray, FloatArray]:
    """Scale, rotation (3, 3) and translation (3,) that minimise sum |target - (scale R source + t)|^2 over (N, 3).

    S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991. Points
    on one line leave the turn about that line open; any of the equally good rotations is returned then.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    source_centred, target_centred = source - source_mean, target - target_mean
    U, singular_values, Vt = np.linalg.svd(target_centred.T @ source_centred / len(source))
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(U @ Vt))])  # a rotation, never a mirror image
    R = (U * sign) @ Vt
    scale = 1.0
    if with_scale:
        variance = float(np.square(source_centred).sum(axis=1).mean())
        common = float((singular_values * sign).sum())
        if variance == 0.0 or common <= 0.0:
            raise TrajectoryError(
                'No scale can be found: the estimate or the ground truth does not move. Align with none or se3.'
            )
        scale = common / variance
    return scale, R, target_mean - scale * R @ source_mean


def start_together(trajectory: Trajectory, own_start: FloatArray, start: FloatArray) -> Trajectory:
    """Move a whole trajectory so that its pose `own_start` (4, 4) becomes `start` (4, 4), in the frame of the latter.

    With its pose and the estimate's at one stamp, ground truth in a map frame becomes ground truth in odom.
    """
    return Trajectory(trajectory.stamps_ns, start @ inverse(own_start) @ trajectory.poses)


def to_camera(trajectory: Trajectory, T_base_camera: FloatArray) -> Trajectory:
    """Poses of base_link in odom -> poses of the camera in camera0, the camera's place when base_link is odom's origin.

    T_base_camera (4, 4) has optical axes, so the result is what KITTI's pose files hold: z forward, x right, y down.
    """
    T_camera0_camera = inverse(T_base_camera) @ trajectory.poses @ T_base_camera
    return Trajectory(trajectory.stamps_ns, T_camera0_camera)


def _nearest(stamps_ns: NDArray[np.int64], among_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of the nearest of `among_ns` (M,) for each stamp (N,); both increase."""
    after = np.searchsorted(among_ns, stamps_ns).clip(1, max(1, len(among_ns) - 1))
    before = after - 1
    after = after.clip(max=len(among_ns) - 1)
    closer_after = np.abs(among_ns[after] - stamps_ns) < np.abs(stamps_ns - among_ns[before])
    return np.where(closer_after, after, before)


def _require_increasing(name: str, stamps_ns: NDArray[np.int64]) -> None:
    if len(stamps_ns) == 0:
        raise TrajectoryError(f'The {name} holds no poses. Check the file.')
    backward = np.flatnonzero(np.diff(stamps_ns) <= 0)
    if len(backward):
        i = int(backward[0])
        raise TrajectoryError(
            f"The {name}'s stamps do not increase: pose {i + 1} is {(stamps_ns[i] - stamps_ns[i + 1]) / 1e9:.9g} s "
            f'before pose {i}. Cut the trajectory where time jumps and evaluate the parts.'
        )
