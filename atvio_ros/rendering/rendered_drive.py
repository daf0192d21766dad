"""A rendered drive with exact ground truth: images, IMU and poses of one trajectory through one world."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from atvio_ros.drives.imu_readings import ImuReadings
from atvio_ros.drives.kitti_tables import read_times, spread_stamps
from atvio_ros.errors import SettingsError, TrajectoryError
from atvio_ros.geometry import inverse, nearest_rotation
from atvio_ros.rendering.drive_settings import DriveSettings
from atvio_ros.rendering.image_formation import ImageFormation
from atvio_ros.rendering.imu import KITTI_RATE_HZ, read_imu, simulate_imu
from atvio_ros.rendering.optics import make_optics
from atvio_ros.rendering.renderer import NEAR_M, Renderer
from atvio_ros.rendering.route import random_drive
from atvio_ros.rendering.trajectory import Motion, image_stamps, motion_from_camera, smooth_heights
from atvio_ros.rendering.world import World, build_world
from atvio_ros.trajectory_files import read_kitti_poses
from atvio_ros.types import NANOSECONDS, FloatArray, ImageArray, Trajectory

START_NS = 1_317_000_000 * NANOSECONDS  # of the motion: the autumn of KITTI's recordings
IMU_MARGIN_S = 0.2  # an IMU with a clock of its own measures that much before the first image and after the last
BAND_ROWS, MOST_BANDS = 8, 24  # of a rolling shutter: rows that are drawn from one pose
EXPOSURES = 4  # moments of which an image with motion blur is made
NEAREST = 0.25  # of the camera's height: what is nearer to the camera is not drawn, nor is what is nearer than NEAR_M


class RenderedDrive:
    """A Drive that is drawn: motion, ground truth and IMU at once, images one after the other."""

    notes: tuple[str, ...] = ()

    def __init__(self, settings: DriveSettings) -> None:
        self.settings = settings
        settings.check()
        self.rig = settings.rig()
        route_rng, imu_rng = (np.random.default_rng((settings.seed, part)) for part in (1, 2))
        self.motion, self.stamps_ns = _motion(settings, route_rng)
        self.imu = self._imu(imu_rng)
        T_world_base = self.motion.poses(self._times_s)
        self.truth = Trajectory(self.stamps_ns, inverse(T_world_base[0]) @ T_world_base)  # odom = first base_link
        self._T_world_camera = T_world_base @ self.rig.T_base_camera
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
    def world(self) -> World:
        """The world, built on first use (about a second a kilometre)."""
        if self._world is None:
            settings = self.settings
            self._world = build_world(
                self.motion,
                settings.T_base_level,
                self._times_s,
                settings.camera_height,
                settings.seed,
                settings.conditions,
            )
        return self._world

    def images(self, first: int = 0, last: int | None = None) -> Iterator[tuple[int, ImageArray]]:
        """Stamps [ns] and images (H, W, 3) RGB, or (H, W) grey; all, or from index `first` up to `last`.

        Raises RenderError where there is no EGL, or for a lens that cannot be drawn.
        """
        settings = self.settings
        optics = make_optics(self.rig.needed_camera, settings.supersampling)
        near_m = min(NEAR_M, NEAREST * settings.camera_height)
        world = self.world
        formation = ImageFormation(
            world.appearance, settings.width, settings.height, settings.color, settings.seed, settings.conditions
        )
        with Renderer(world, optics, near_m) as renderer:
            for i in range(first, len(self) if last is None else min(last, len(self))):
                rendered = self._expose(renderer, i)
                yield int(self.stamps_ns[i]), formation.develop(rendered, i, self._times_s[i])

    def _expose(self, renderer: Renderer, index: int) -> ImageArray:
        """What the shutter lets in for one image, (H, W, 3): its rows one after the other, each for a while."""
        conditions, time_s, ways = self.settings.conditions, self._times_s[index], self.world.image_way_m
        if not conditions.readout and not conditions.exposure_time:
            return renderer.render(self._T_world_camera[index], ways[index], time_s)
        bands = min(MOST_BANDS, max(1, self.settings.height // BAND_ROWS)) if conditions.readout else 1
        moments = EXPOSURES if conditions.exposure_time else 1
        rows_s = time_s + ((np.arange(bands) + 0.5) / bands - 0.5) * conditions.readout
        open_s = ((np.arange(moments) + 0.5) / moments - 0.5) * conditions.exposure_time
        drawn = []
        for times_s in rows_s + open_s[:, None]:
            T_world_camera = self.motion.poses(times_s) @ self.rig.T_base_camera
            drawn.append(renderer.render_rows(T_world_camera, np.interp(times_s, self._times_s, ways), times_s))
        return drawn[0] if moments == 1 else np.mean(drawn, axis=0).round().astype(np.uint8)

    @property
    def _times_s(self) -> FloatArray:
        return np.asarray((self.stamps_ns - START_NS) / NANOSECONDS)

    def _imu(self, rng: np.random.Generator) -> ImuReadings:
        settings = self.settings
        if settings.imu is None:
            rate_hz = settings.imu_rate or KITTI_RATE_HZ
            stamps_ns = spread_stamps(self.stamps_ns) if settings.imu_rate is None else self._own_clock(rate_hz, rng)
            return ImuReadings(
                stamps_ns, simulate_imu(self.motion, stamps_ns, settings.imu_errors, rng, START_NS, rate_hz)
            )
        stamps_ns = spread_stamps(self.stamps_ns)
        first = settings.images[0] if settings.images else 0
        return ImuReadings(stamps_ns, read_imu(settings.imu, len(self.stamps_ns), first))

    def _own_clock(self, rate_hz: float, rng: np.random.Generator) -> NDArray[np.int64]:
        """Stamps [ns] of readings around all images, as far as the motion goes; none falls on an image on purpose."""
        first_s = max(float(self.motion.times_s[0]), self._times_s[0] - IMU_MARGIN_S)
        last_s = min(float(self.motion.times_s[-1]), self._times_s[-1] + IMU_MARGIN_S)
        times_s = first_s + np.arange(rng.random() / rate_hz, last_s - first_s, 1.0 / rate_hz)
        return np.asarray(START_NS + np.round(times_s * NANOSECONDS).astype(np.int64))


def synthesize(settings: DriveSettings) -> RenderedDrive:
    """The drive of these settings. Raises a SettingsError, DatasetError, TrajectoryError or ImuError."""
    return RenderedDrive(settings)


def _motion(settings: DriveSettings, rng: np.random.Generator) -> tuple[Motion, NDArray[np.int64]]:
    """How base_link moves from START_NS on, and the stamps [ns] of the images."""
    if settings.poses is None or settings.times is None:
        base_height_m = settings.camera_height - settings.place[2]
        motion = random_drive(settings.length, rng, base_height_m, settings.speed, settings.conditions)
        # An IMU with a clock of its own begins and ends outside the images.
        margin_s = 0.0 if settings.imu_rate is None else IMU_MARGIN_S + 0.05
        begin_ns = START_NS + round(margin_s * NANOSECONDS)
        duration_s = float(motion.times_s[-1]) - 2 * margin_s
        stamps_ns = image_stamps(duration_s, begin_ns, rng, settings.jitter, settings.rate)
        return motion, stamps_ns[: settings.most_images]
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
    motion = motion_from_camera(offsets_ns / NANOSECONDS, poses, settings.T_base_recorded)
    if settings.smooth_vertical:
        motion = smooth_heights(motion)
    if settings.rate is None:
        return motion, START_NS + offsets_ns
    return motion, image_stamps(float(motion.times_s[-1]), START_NS, rng, settings.jitter, settings.rate)


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
