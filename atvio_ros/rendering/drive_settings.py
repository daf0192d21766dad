"""What is drawn: the settings of a rendered drive, and the robot that they describe."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from atvio_ros.errors import SettingsError
from atvio_ros.geometry import R_BODY_OPTICAL
from atvio_ros.rendering.conditions import Conditions
from atvio_ros.rendering.imu import ImuSettings
from atvio_ros.rendering.trajectory import nominal_camera
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.kitti import ACCELEROMETER_LAG, GYRO_LAG, Intrinsics
from atvio_ros.rig.rig import Rig
from atvio_ros.settings import setting
from atvio_ros.types import FloatArray

KITTI_SIZE = (1241, 376)
KITTI_INTRINSICS = (718.856, 718.856, 607.1928, 185.2157)  # of sequences 00 to 02, at KITTI_SIZE
KITTI_TRANSLATION = (1.08, -0.32, 0.73)  # m, camera in base_link


@dataclass(frozen=True)
class DriveSettings:
    """What is drawn. The same settings and seed give the same drive, bit by bit on one machine."""

    seed: int = setting(0, 'Draws the world, the route, the weather, the camera and the IMU errors.', minimum=0)
    length: float = setting(500.0, 'Length of a procedural drive [m].', minimum=30.0)
    most_images: int | None = setting(None, 'Images of a procedural drive at most; none: all.', minimum=10)
    speed: float | None = setting(
        None, 'Mean speed of a procedural drive while it moves [m/s]; none: that of cars.', minimum=0.3, maximum=40.0
    )
    poses: Path | None = None  # KITTI pose file: rows of 12 numbers, left camera in the first camera's frame
    times: Path | None = None  # image times [s], one a line
    imu: Path | None = None  # recorded IMU in place of the simulated one
    images: tuple[int, ...] = ()  # first and last image of the files to draw, both included; none: all
    smooth_vertical: bool = setting(False, "Smooth the height of --poses over the way: KITTI's trembles.")
    width: int = setting(416, 'Image width [px].', minimum=16, maximum=4096)
    height: int = setting(128, 'Image height [px].', minimum=16, maximum=4096)
    intrinsics: tuple[float, ...] = ()  # fx fy cx cy [px]; none: KITTI's, scaled to the size
    distortion_model: str = setting('none', 'plumb_bob, rational_polynomial, equidistant or none.')
    distortion: tuple[float, ...] = ()  # its coefficients, as in CameraInfo
    color: bool = setting(True, 'Colour images (rgb8); otherwise grey (mono8).')
    jitter: bool = setting(True, "Image intervals that vary like KITTI's, by half a percent; otherwise exact ones.")
    rate: float | None = setting(
        None, "Images a second; none: KITTI's 9.6, or 10 without jitter.", minimum=5.0, maximum=60.0
    )
    supersampling: float = setting(1.5, 'Rendered pixels per image pixel, each way.', minimum=1.0, maximum=4.0)
    camera_height: float = setting(1.65, 'Height of the camera above the road [m].', minimum=0.2, maximum=3.0)
    camera_translation: tuple[float, ...] = ()  # m, camera in base_link; none: KITTI's, nearer under a low camera
    # Rotation vector from the nominal optical axes; the default is fitted to KITTI's gyro and ground truth.
    camera_mounting_deg: tuple[float, float, float] = (-0.55, -0.04, -0.39)
    # Where one of these is given they replace camera_mounting_deg, the others being 0. Axes of base_link (REP 103).
    camera_pitch_deg: float | None = setting(None, 'Camera looks down from base x [deg].', minimum=-60.0, maximum=60.0)
    camera_yaw_deg: float | None = setting(None, 'Camera looks left of base x [deg].', minimum=-60.0, maximum=60.0)
    camera_roll_deg: float | None = setting(
        None, 'Camera leans right, its left side up [deg].', minimum=-60.0, maximum=60.0
    )
    imu_rate: float | None = setting(
        None, 'IMU readings a second, by their own clock; none: ten an image interval.', minimum=50.0, maximum=1000.0
    )
    imu_errors: ImuSettings = field(default_factory=ImuSettings)
    conditions: Conditions = field(default_factory=Conditions)

    def check(self) -> None:
        """Raises SettingsError on settings that contradict each other; their ranges are checked where they are read."""
        if len(self.intrinsics) not in (0, 4):
            raise SettingsError(f'intrinsics must be four numbers, fx fy cx cy, not {len(self.intrinsics)}.')
        if len(self.camera_translation) not in (0, 3):
            raise SettingsError(f'camera_translation must be three numbers, not {len(self.camera_translation)}.')
        if (self.poses is None) != (self.times is None):
            raise SettingsError('--poses and --times belong together: give both, or neither for a procedural drive.')
        if self.poses is None and self.images:
            raise SettingsError('--images chooses from --poses and --times: give them, or --length instead.')
        if self.poses is None and self.imu is not None:
            raise SettingsError(
                '--imu needs --poses and --times: a recorded IMU fits only the drive it was recorded on.'
            )
        if self.poses is None and self.smooth_vertical:
            raise SettingsError(
                '--smooth-vertical mends the height of --poses: a procedural drive has none to mend.'
                ' Leave it out, or give --poses.'
            )
        if self.poses is not None and self.speed is not None:
            raise SettingsError(
                '--speed is for procedural drives: along --poses the times say the speed. Leave out one of them.'
            )
        if self.poses is not None and self.conditions.of_route:
            raise SettingsError(
                f'A given motion has its own route: leave out the conditions {", ".join(self.conditions.of_route)}.'
            )
        if self.imu is not None and (self.rate is not None or self.imu_rate is not None):
            raise SettingsError(
                '--imu holds ten readings an image interval of --times: leave out --image-rate and --imu-rate with it.'
            )

    @property
    def place(self) -> tuple[float, ...]:
        """Camera in base_link, x y z [m]. base_link is no lower than half the camera's height over the ground."""
        if self.camera_translation:
            return self.camera_translation
        nearer = min(1.0, self.camera_height / 2 / KITTI_TRANSLATION[2])
        return tuple(metres * nearer for metres in KITTI_TRANSLATION)

    @property
    def turned(self) -> bool:
        """Whether the camera's angles are given."""
        return any(angle is not None for angle in (self.camera_pitch_deg, self.camera_yaw_deg, self.camera_roll_deg))

    @property
    def T_base_level(self) -> FloatArray:  # noqa: N802 (the field's notation)
        """The camera (4, 4) as it would be without the angles given: the road is straight below it, and ahead of it."""
        return nominal_camera(self.place, (0.0, 0.0, 0.0) if self.turned else self.camera_mounting_deg)

    @property
    def T_base_recorded(self) -> FloatArray:  # noqa: N802
        """The camera (4, 4) on the car that drove --poses, which tells how that car moved."""
        return nominal_camera(KITTI_TRANSLATION, self.camera_mounting_deg)

    @property
    def T_base_camera(self) -> FloatArray:  # noqa: N802
        """The camera (4, 4) in base_link."""
        T = self.T_base_level
        if self.turned:
            angles = (self.camera_yaw_deg or 0.0, self.camera_pitch_deg or 0.0, self.camera_roll_deg or 0.0)
            T[:3, :3] = Rotation.from_euler('ZYX', angles, degrees=True).as_matrix() @ R_BODY_OPTICAL
        return T

    def rig(self) -> Rig:
        """The robot. Raises CalibrationError on an impossible camera."""
        fx, fy, cx, cy = self.intrinsics or kitti_intrinsics(self.width, self.height)
        K = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
        errors = self.imu_errors
        recorded = self.imu is not None
        return Rig(
            CameraModel(self.width, self.height, K, self.distortion_model, np.array(self.distortion), where='camera'),
            self.T_base_camera,
            np.eye(4),  # base_link is where the IMU is
            self.camera_height,
            gyro_lag=GYRO_LAG if recorded else errors.gyro_delay,
            accelerometer_lag=ACCELEROMETER_LAG if recorded else errors.accelerometer_delay,
            readout_time=self.conditions.readout,
        )


def kitti_intrinsics(
    width: int,
    height: int,
    intrinsics: Intrinsics = KITTI_INTRINSICS,
    size: tuple[int, int] = KITTI_SIZE,
) -> Intrinsics:
    """A camera of `intrinsics` at `size`, KITTI's left, scaled, each axis on its own: fx, fy, cx, cy [px]."""
    x, y = width / size[0], height / size[1]
    fx, fy, cx, cy = intrinsics
    return fx * x, fy * y, (cx + 0.5) * x - 0.5, (cy + 0.5) * y - 0.5  # half a pixel: scaled by area
