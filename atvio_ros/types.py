"""The values that flow from sensors to odometry. SI units; time is int nanoseconds; T_a_b is the pose of b in a."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
ImageArray = NDArray[np.uint8]

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class ImuSample:
    """One reading in imu_link. At rest and level, linear_acceleration is (0, 0, +9.81) (REP 145)."""

    stamp_ns: int
    angular_velocity: FloatArray  # (3,) rad/s
    linear_acceleration: FloatArray  # (3,) m/s^2, gravity included
    frame_id: str = ''  # of its message, to tell two IMUs apart


@dataclass(frozen=True)
class CameraFrame:
    """One image as the odometry keeps it: decoded, and scaled or freed of its lens (see odometry/sight.py)."""

    stamp_ns: int
    image: ImageArray  # (H, W, C) uint8, RGB (C = 3) or grey (C = 1)
    received_ns: int = 0  # time.monotonic_ns() when it arrived, for latency and waiting limits; 0 offline
    blank: bool | None = None  # whether the camera's image showed nothing; None: not looked at yet


@dataclass(frozen=True)
class ImuWindow:
    """IMU readings that cover an interval, its two ends bracketed where the stream allows."""

    stamps_ns: NDArray[np.int64]  # (N,) strictly increasing
    values: FloatArray  # (N, 6): wx wy wz [rad/s], ax ay az [m/s^2], in imu_link


@dataclass(frozen=True)
class PairGeometry:
    """How the camera turned over a pair and which way it went, in the axes in which its images are kept."""

    R_previous_current: FloatArray  # (3, 3) of the gyro, corrected; of a noisy one joined with what images show
    R_image_level: FloatArray  # (3, 3) level axes at the second image: z along the way, x without roll, y down
    pitch_sigma: float  # rad, of the direction of travel
    confident: bool  # whether the direction is known well enough to measure distances by it
    lost: bool  # in motion without having seen a direction for long
    gyro_correction: FloatArray  # (3,) rad/s in base axes, to be added to the gyro: its bias, as far as images show it
    yaw_sigma: float = 0.0  # rad, of the direction of travel
    parallax: float = 0.0  # rad, median: how far corners moved beyond the rotation
    rotation_noise: float = 0.0  # rad, each axis: what the gyro's white noise leaves in R_previous_current
    R_seen: FloatArray | None = (
        None  # (3, 3) as R_previous_current, joined with what the images show: to compare them by
    )

    @property
    def seen_rotation(self) -> FloatArray:
        """R_previous_current (3, 3) by which to lay one image on the other."""
        return self.R_previous_current if self.R_seen is None else self.R_seen


@dataclass(frozen=True)
class FramePair:
    """Two images and the IMU readings between them: what the network needs for one relative pose."""

    previous: CameraFrame
    current: CameraFrame
    imu: ImuWindow
    continues: bool = True  # False: the first pair after a start, a gap or a jump; recurrent state must be cleared
    geometry: PairGeometry | None = None  # None: not looked at, as for the paper's networks

    @property
    def interval_s(self) -> float:
        """Time between the two images [s]."""
        return (self.current.stamp_ns - self.previous.stamp_ns) / NANOSECONDS


@dataclass(frozen=True)
class RoadMeasurement:
    """What the road below showed over one frame pair."""

    speed: float  # m/s along the direction of travel
    sigma: float  # m/s
    tilt: float  # rad, by which the road is tilted against the direction of travel
    support: float  # share of the patches of road that agree


@dataclass(frozen=True)
class RelativeMotion:
    """What a motion estimator says of one frame pair."""

    T_previous_current: FloatArray  # (4, 4) pose of the current camera (optical axes) in the previous one
    attention_visual: float = float('nan')  # mean channel weight on the visual features, in [0, 1]; nan: has none
    attention_inertial: float = float('nan')  # likewise on the inertial features
    covariance: FloatArray | None = None  # (6, 6) of what this pair adds to the error model: translation, rotation
    warnings: tuple[str, ...] = ()  # why it is not to be trusted, a sentence each
    road: RoadMeasurement | None = None  # None: the estimator does not measure the road


@dataclass(frozen=True)
class OdometryEstimate:
    """Odometry at one image stamp: pose in the odom frame, twist in the base frame (REP 105, nav_msgs/Odometry)."""

    stamp_ns: int
    T_odom_base: FloatArray  # (4, 4)
    linear_velocity: FloatArray  # (3,) m/s, in base_link
    angular_velocity: FloatArray  # (3,) rad/s, in base_link
    pose_covariance: FloatArray  # (6, 6) x y z [m], roll pitch yaw [rad], in odom
    twist_covariance: FloatArray  # (6, 6) in base_link
    motion: RelativeMotion
    stationary: bool = False  # the standstill gate held the pose; the twist is zero
    gap_s: float = 0.0  # time without odometry before this pair [s]; the pose went on from the last, less certain
    warnings: tuple[str, ...] = ()  # what is wrong with this pair's input, a sentence each with what to do
    geometry: PairGeometry | None = None  # rotation and direction of travel that the motion stands on
    motion_covariance: FloatArray | None = None  # (6, 6) that the estimator gives its motion, in base_link's axes


@dataclass(frozen=True)
class Trajectory:
    """Stamped poses of one moving frame in one fixed frame."""

    stamps_ns: NDArray[np.int64]  # (N,)
    poses: FloatArray  # (N, 4, 4)

    def __len__(self) -> int:
        return len(self.stamps_ns)
