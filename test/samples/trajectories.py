"""Small drives for tests: straight lines, curves and winding ones with a drifting estimate."""

import numpy as np
from scipy.spatial.transform import Rotation

from atvio_ros.geometry import compose, transform
from atvio_ros.types import Trajectory


def straight(frames, step_m=1.0, yaw_rad=0.0):
    """Drive `step_m` forward a frame and turn by `yaw_rad`: (frames, 4, 4)."""
    step = transform(Rotation.from_euler('z', yaw_rad).as_matrix(), np.array([step_m, 0.0, 0.0]))
    return compose(np.tile(step, (frames - 1, 1, 1)))


def random_motion(rng):
    return transform(Rotation.from_rotvec(rng.normal(0, 2, 3)).as_matrix(), rng.normal(0, 50, 3))


def random_walk(frames, seed, noise=0.01):
    """A winding drive of about 1 m a frame and a drifting estimate of it."""
    rng = np.random.default_rng(seed)
    steps = np.tile(np.eye(4), (frames - 1, 1, 1))
    steps[:, 0, 3] = rng.uniform(0.2, 1.8, frames - 1)
    steps[:, :3, :3] = Rotation.from_rotvec(rng.normal(0, 0.05, (frames - 1, 3))).as_matrix()
    drift = np.tile(np.eye(4), (frames - 1, 1, 1))
    drift[:, :3, 3] = rng.normal(0.01, noise, (frames - 1, 3))
    drift[:, :3, :3] = Rotation.from_rotvec(rng.normal(0.001, noise, (frames - 1, 3))).as_matrix()
    return compose(steps), compose(steps @ drift)


def stamped(poses, interval_ns=100_000_000, start_ns=1_700_000_000_000_000_000):
    return Trajectory(start_ns + interval_ns * np.arange(len(poses)), poses)
