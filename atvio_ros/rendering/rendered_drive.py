"""A rendered drive with exact ground truth: images, 100 Hz IMU and poses of one trajectory through one world."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atvio_ros.drives.drive import Intrinsics
from atvio_ros.drives.imu_readings import ImuReadings
from atvio_ros.drives.kitti_tables import read_times, spread_stamps
from atvio_ros.errors import SettingsError, TrajectoryError
from atvio_ros.geometry import inverse, nearest_rotation
from atvio_ros.mounting import Mounting
from atvio_ros.rendering.image_formation import ImageFormation
from atvio_ros.rendering.imu import ImuSettings, read_imu, simulate_imu
from atvio_ros.rendering.renderer import Pinhole, Renderer
from atvio_ros.rendering.route import random_drive
from atvio_ros.rendering.trajectory import Motion, image_stamps, motion_from_camera, nominal_camera
from atvio_ros.rendering.world import World, build_world
from atvio_ros.settings import setting
from atvio_ros.trajectory_files import read_kitti_poses
from atvio_ros.types import NANOSECONDS, FloatArray, ImageArray, Trajectory

START_NS = 1_317_000_000 * NANOSECONDS  # the autumn of KITTI's recordings
KITTI_SIZE = (1241, 376)
KITTI_INTRINSICS = (718.856, 718.856, 607.1928, 185.2157)  # of sequences 00 to 02, at KITTI_SIZE


@dataclass(frozen=True)
class DriveSettings:
    """What is drawn. The same settings and seed give the same drive, bit by bit on one machine."""

    seed: int = setting(0, 'Draws the world, the route, the weather, the camera and the IMU errors.', minimum=0)
    length: float = setting(500.0, 'Length of a procedural drive [m].', minimum=30.0)
    poses: Path | None = None  # KITTI pose file: rows of 12 numbers, left camera in the first camera's frame
    times: Path | None = None  # image times [s], one a line
    imu: Path | None = None  # recorded IMU in place of the simulated one
    images: tuple[int, ...] = ()  # first and last image of the files to draw, both included; none: all
    width: int = setting(416, 'Image width [px].', minimum=16)
    height: int = setting(128, 'Image height [px].', minimum=16)
    intrinsics: tuple[float, ...] = ()  # fx fy cx cy [px]; none: KITTI's, scaled to the size
    color: bool = setting(True, 'Colour images (rgb8); otherwise grey (mono8).')
    jitter: bool = setting(True, "Image intervals like KITTI's, 0.098 to 0.109 s; otherwise exactly 0.1 s.")
    supersampling: float = setting(1.5, 'Rendered pixels per image pixel, each way.', minimum=1.0, maximum=4.0)
    camera_height: float = setting(1.65, 'Height of the camera above the road [m].', minimum=0.3)
    camera_translation: tuple[float, float, float] = (1.08, -0.32, 0.73)  # m, camera in base_link, KITTI's
    # Rotation vector from the nominal optical axes; the default is fitted to KITTI's gyro and ground truth.
    camera_mounting_deg: tuple[float, float, float] = (-0.55, -0.04, -0.39)
    imu_errors: ImuSettings = field(default_factory=ImuSettings)


class RenderedDrive:
    """A Drive that is drawn: motion, ground truth and IMU at once, images one after the other."""

    notes: tuple[str, ...] = ()

    def __init__(self, settings: DriveSettings) -> None:
        self.settings = settings
        if len(settings.intrinsics) not in (0, 4):
            raise SettingsError(f'intrinsics must be four numbers, fx fy cx cy, not {len(settings.intrinsics)}.')
        T_base_camera = nominal_camera(settings.camera_translation, settings.camera_mounting_deg)
        self.mounting = Mounting(T_base_camera)  # base_link is where the IMU is
        route_rng, imu_rng = (np.random.default_rng((settings.seed, part)) for part in (1, 2))
        self.motion, self.stamps_ns = _motion(settings, T_base_camera, route_rng)
        self.imu = self._imu(imu_rng)
        T_world_base = self.motion.poses(self._times_s)
        self.truth = Trajectory(self.stamps_ns, inverse(T_world_base[0]) @ T_world_base)  # odom = first base_link
        self._T_world_camera = T_world_base @ T_base_camera
        self._world: World | None = None

    def __len__(self) -> int:
        return len(self.stamps_ns)

    @property
    def length_m(self) -> float:
        """Length of the way driven [m]."""
        return float(np.linalg.norm(np.diff(self.camera_poses[:, :3, 3], axis=0), axis=1).sum())

    @functools.cached_property
    def camera_poses(self) -> FloatArray:
        """True poses (N, 4, 4) of the camera in its first place, as KITTI's pose files hold them."""
        return inverse(self._T_world_camera[0]) @ self._T_world_camera

    @property
    def intrinsics(self) -> Intrinsics:
        """fx, fy, cx, cy [px]; integer coordinates are pixel centres."""
        settings = self.settings
        if not settings.intrinsics:
            return kitti_intrinsics(settings.width, settings.height)
        fx, fy, cx, cy = settings.intrinsics
        return fx, fy, cx, cy

    @property
    def world(self) -> World:
        """The world, built on first use (about a second a kilometre)."""
        if self._world is None:
            settings = self.settings
            self._world = build_world(
                self.motion, self.mounting.T_base_camera, self._times_s, settings.camera_height, settings.seed
            )
        return self._world

    def images(self, first: int = 0, last: int | None = None) -> Iterator[tuple[int, ImageArray]]:
        """Stamps [ns] and images (H, W, 3) RGB, or (H, W) grey; all, or from index `first` up to `last`.

        Raises RenderError where there is no EGL.
        """
        settings = self.settings
        camera = Pinhole(settings.width, settings.height, *self.intrinsics)
        world = self.world
        formation = ImageFormation(world.appearance, settings.width, settings.height, settings.color, settings.seed)
        with Renderer(world, camera, settings.supersampling) as renderer:
            for i in range(first, len(self) if last is None else min(last, len(self))):
                rendered = renderer.render(self._T_world_camera[i], world.image_way_m[i], self._times_s[i])
                yield int(self.stamps_ns[i]), formation.develop(rendered, i)

    @property
    def _times_s(self) -> FloatArray:
        return np.asarray((self.stamps_ns - self.stamps_ns[0]) / NANOSECONDS)

    def _imu(self, rng: np.random.Generator) -> ImuReadings:
        stamps_ns = spread_stamps(self.stamps_ns)
        if self.settings.imu is None:
            return ImuReadings(stamps_ns, simulate_imu(self.motion, stamps_ns, self.settings.imu_errors, rng))
        first = self.settings.images[0] if self.settings.images else 0
        return ImuReadings(stamps_ns, read_imu(self.settings.imu, len(self.stamps_ns), first))


def synthesize(settings: DriveSettings) -> RenderedDrive:
    """The drive of these settings. Raises a SettingsError, DatasetError, TrajectoryError or ImuError."""
    return RenderedDrive(settings)


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


def _motion(
    settings: DriveSettings, T_base_camera: FloatArray, rng: np.random.Generator
) -> tuple[Motion, NDArray[np.int64]]:
    if (settings.poses is None) != (settings.times is None):
        raise SettingsError('--poses and --times belong together: give both, or neither for a procedural drive.')
    if settings.poses is None or settings.times is None:
        if settings.images:
            raise SettingsError('--images chooses from --poses and --times: give them, or --length instead.')
        if settings.imu is not None:
            raise SettingsError(
                '--imu needs --poses and --times: a recorded IMU fits only the drive it was recorded on.'
            )
        motion = random_drive(settings.length, rng, settings.camera_height - settings.camera_translation[2])
        return motion, image_stamps(float(motion.times_s[-1]), START_NS, rng, settings.jitter)
    poses, times_ns = read_kitti_poses(settings.poses), read_times(settings.times)
    poses[:, :3, :3] = nearest_rotation(poses[:, :3, :3])
    if len(poses) != len(times_ns):
        raise TrajectoryError(
            f'{settings.poses} has {len(poses)} poses but {settings.times} has {len(times_ns)} times; '
            'both must have one line per image.'
        )
    chosen = _chosen(settings, len(poses))
    poses, times_ns = poses[chosen], times_ns[chosen]
    offsets_ns = times_ns - times_ns[0]
    motion = motion_from_camera(offsets_ns / NANOSECONDS, poses, T_base_camera)
    return motion, START_NS + offsets_ns


def _chosen(settings: DriveSettings, count: int) -> slice:
    """The stretch of the files' images that `images` names."""
    if not settings.images:
        return slice(0, count)
    if len(settings.images) != 2 or not 0 <= settings.images[0] < settings.images[1] < count:
        raise SettingsError(
            f'--images must be FIRST:LAST with 0 <= FIRST < LAST < {count}, the number of poses, not '
            f'{":".join(map(str, settings.images))}.'
        )
    first, last = settings.images
    return slice(first, last + 1)
