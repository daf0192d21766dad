"""The robot as odometry needs it: `Rig`, whole, and `RigPart`, what one source says of it.

T_a_b is the pose of b in a. base: base_link; camera: optical axes (x right, y down, z forward); imu: imu_link.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from atvio_ros.errors import CalibrationError
from atvio_ros.geometry import R_BODY_OPTICAL, inverse, transform
from atvio_ros.rig import checks
from atvio_ros.rig.camera import CameraModel
from atvio_ros.types import FloatArray

NOMINAL_PITCH_SIGMA = float(np.radians(1.0))  # how far a camera's tilt on its robot may be from what is said
NOMINAL_YAW_SIGMA = float(np.radians(0.5))


@dataclass(frozen=True)
class DirectionOfTravel:
    """Where the robot goes, seen from its camera, before any image has shown it.

    pitch > 0: below the optical axis (the camera looks up from its way); yaw > 0: to the right of it. In radians.
    """

    pitch: float
    yaw: float
    pitch_sigma: float = NOMINAL_PITCH_SIGMA
    yaw_sigma: float = NOMINAL_YAW_SIGMA

    @property
    def vector(self) -> FloatArray:
        """Unit vector (3,) in optical axes."""
        level = np.cos(self.pitch)
        return np.array([np.sin(self.yaw) * level, np.sin(self.pitch), np.cos(self.yaw) * level])

    @classmethod
    def of(
        cls, vector: FloatArray, pitch_sigma: float = NOMINAL_PITCH_SIGMA, yaw_sigma: float = NOMINAL_YAW_SIGMA
    ) -> DirectionOfTravel:
        """From a vector (3,) in optical axes, of any length."""
        x, y, z = vector / np.linalg.norm(vector)
        return cls(float(np.arcsin(np.clip(y, -1, 1))), float(np.arctan2(x, z)), pitch_sigma, yaw_sigma)


@dataclass(frozen=True, eq=False)
class RigPart:
    """What one source says of a robot; None: nothing. Raises CalibrationError where it says what cannot be."""

    source: str  # in words, for messages: a file's name, 'camera_info', 'parameters', '/tf_static'
    camera: CameraModel | None = None
    T_base_camera: FloatArray | None = None  # (4, 4)
    T_base_imu: FloatArray | None = None  # (4, 4)
    T_camera_imu: FloatArray | None = None  # (4, 4) where the two poses above are not known, as in Kalibr's files
    camera_height: float | None = None  # m over the ground
    imu_time_offset: float | None = None  # s, added to IMU stamps to bring them to the clock of the images
    gyro_lag: float | None = None  # s that a reading comes after what it measures, by its filter
    accelerometer_lag: float | None = None  # s
    gyro_bias: FloatArray | None = None  # (3,) rad/s, what the gyro shows at rest, in imu_link
    direction_of_travel: DirectionOfTravel | None = None
    readout_time: float | None = None  # s of a rolling shutter, from the first row to the last; stamped in the middle

    def __post_init__(self) -> None:
        for name in ('T_base_camera', 'T_base_imu', 'T_camera_imu'):
            T = getattr(self, name)
            if T is not None:
                object.__setattr__(self, name, checks.pose(T, self._name(name)))
        if self.camera_height is not None:
            checks.height(self.camera_height, self._name('camera_height'))
        if self.imu_time_offset is not None:
            checks.between(self.imu_time_offset, -10.0, 10.0, 's', self._name('imu_time_offset'))
        for name in ('gyro_lag', 'accelerometer_lag'):
            if getattr(self, name) is not None:
                checks.between(getattr(self, name), -0.5, 1.0, 's', self._name(name))
        if self.readout_time is not None:
            checks.between(self.readout_time, 0.0, 0.2, 's', self._name('readout_time'))
        if self.gyro_bias is not None:
            bias = checks.finite(self.gyro_bias, (3,), self._name('gyro_bias'))
            checks.between(float(np.abs(bias).max()), 0.0, 1.0, 'rad/s', self._name('gyro_bias'))
            object.__setattr__(self, 'gyro_bias', bias)
        if self.direction_of_travel is not None:
            self._check_direction(self.direction_of_travel)

    def _check_direction(self, direction: DirectionOfTravel) -> None:
        name = self._name('direction_of_travel')
        for angle in (direction.pitch, direction.yaw):
            checks.between(angle, -np.pi, np.pi, 'rad', name)
        for sigma in (direction.pitch_sigma, direction.yaw_sigma):
            checks.between(sigma, 1e-5, 1.0, 'rad', name + '_sigma')

    def _name(self, field_name: str) -> str:
        return f'{self.source}: {field_name}'


def _looking_forward() -> FloatArray:
    return transform(R_BODY_OPTICAL, np.zeros(3))


@dataclass(frozen=True, eq=False)
class Rig:
    """The robot, whole. The defaults are those of a camera and an IMU at the base, the camera looking along base x."""

    camera: CameraModel | None = None
    T_base_camera: FloatArray = field(default_factory=_looking_forward)  # (4, 4)
    T_base_imu: FloatArray = field(default_factory=lambda: np.eye(4))  # (4, 4)
    camera_height: float | None = None  # m over the ground
    imu_time_offset: float = 0.0  # s, added to IMU stamps to bring them to the clock of the images
    gyro_lag: float = 0.0  # s that a reading comes after what it measures, by its filter
    accelerometer_lag: float = 0.0  # s
    gyro_bias: FloatArray = field(default_factory=lambda: np.zeros(3))  # (3,) rad/s, in imu_link
    direction_of_travel: DirectionOfTravel | None = None  # None: along base x
    readout_time: float = 0.0  # s of a rolling shutter, from the first row to the last; stamped in the middle

    @property
    def R_base_camera(self) -> FloatArray:  # noqa: N802 (the field's notation)
        """Rotation part (3, 3) of T_base_camera."""
        return self.T_base_camera[:3, :3]

    @property
    def R_base_imu(self) -> FloatArray:  # noqa: N802
        """Rotation part (3, 3) of T_base_imu."""
        return self.T_base_imu[:3, :3]

    @property
    def T_camera_imu(self) -> FloatArray:  # noqa: N802
        """Pose (4, 4) of the IMU in the camera."""
        return inverse(self.T_base_camera) @ self.T_base_imu

    @property
    def R_camera_imu(self) -> FloatArray:  # noqa: N802
        """Turns IMU readings (3,) into the camera's optical axes."""
        return self.T_camera_imu[:3, :3]

    @property
    def down(self) -> FloatArray:
        """Unit vector (3,) in optical axes that points to the ground where the base stands level."""
        return np.array([0.0, 0.0, -1.0]) @ self.R_base_camera

    @property
    def expected_direction(self) -> DirectionOfTravel:
        """The direction of travel to start from: the calibrated one, else along base x."""
        return self.direction_of_travel or DirectionOfTravel.of(self.R_base_camera[0])

    @property
    def needed_camera(self) -> CameraModel:
        """The camera. Raises CalibrationError where nobody described one."""
        if self.camera is None:
            raise CalibrationError(
                'The camera is not calibrated as far as anybody says. Publish camera_info, or give intrinsics (width, '
                'height, distortion_model, d, k) in a rig file.'
            )
        return self.camera

    @property
    def needed_height(self) -> float:
        """The camera's height over the ground [m]. Raises CalibrationError where nobody gave it."""
        if self.camera_height is None:
            raise CalibrationError(
                "The camera's height over the ground is not known. Set camera_height, or publish base_footprint (on "
                'the ground) in /tf_static.'
            )
        return self.camera_height

    def for_images(self, width: int, height: int) -> Rig:
        """The rig with its camera scaled to images of this size. Raises CalibrationError where the aspect differs."""
        return self if self.camera is None else dataclasses.replace(self, camera=self.camera.scaled(width, height))
