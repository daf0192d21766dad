"""What a trajectory without any measurement of speed would reach: beside each result, so that a figure has a measure.

The baseline turns as the estimate does, and drives straight ahead at one speed. Both are the ground truth's: its mean
speed, and the direction in the moving frame in which it goes on average. It knows that, which no real odometry does, so
it is a strong baseline on a steady drive; where the speed changes, it is what an estimate of speed has to beat.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from atvio_ros.evaluation.metrics import distances_along, evaluate
from atvio_ros.types import NANOSECONDS, FloatArray, Trajectory

FIGURES = ('t_rel', 'ate_m', 'end_error_m', 'end_error_percent')


def constant_speed(estimate: Trajectory, truth: Trajectory) -> tuple[Trajectory, float]:
    """The baseline of matched poses of one moving frame: its trajectory, and the speed [m/s] that it has.

    It starts at the first pose of the estimate. A drive of one pose, or of no duration, has speed 0.
    """
    seconds = (estimate.stamps_ns - estimate.stamps_ns[0]) / NANOSECONDS
    speed = float(distances_along(truth.poses)[-1] / seconds[-1]) if seconds[-1] > 0.0 else 0.0
    ahead = estimate.poses[:, :3, :3] @ _forward(truth)
    middle = ahead[:-1] + ahead[1:]  # of the direction over each step
    middle /= np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), 1e-9)
    poses = estimate.poses.copy()
    poses[1:, :3, 3] = poses[0, :3, 3] + np.cumsum(speed * np.diff(seconds)[:, None] * middle, axis=0)
    return Trajectory(estimate.stamps_ns, poses), speed


def constant_speed_figures(estimate: Trajectory, truth: Trajectory) -> dict[str, Any]:
    """The baseline's part of result.json, from matched poses of the frame whose figures the result has."""
    baseline, speed = constant_speed(estimate, truth)
    figures = evaluate(truth.poses, baseline.poses, 'none', truth.stamps_ns).as_dict()
    return {'speed': speed, **{name: figures[name] for name in FIGURES}, 'short': figures['short']}


def _forward(truth: Trajectory) -> FloatArray:
    """Unit vector (3,) in the moving frame, in which the truth goes on average; x where it stands."""
    steps = np.diff(truth.poses[:, :3, 3], axis=0)
    mean = np.einsum('nji,nj->i', truth.poses[:-1, :3, :3], steps)
    length = float(np.linalg.norm(mean))
    return mean / length if length > 0.0 else np.array([1.0, 0.0, 0.0])
