"""A bag of a drive down a street of noise between two walls, of a robot whose calibration is wholly known."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from atvio_ros.bags.writer import BagWriter
from atvio_ros.geometry import R_BODY_OPTICAL, transform
from atvio_ros.types import FloatArray, ImageArray, ImuSample
from atvio_ros.view.virtual_camera import VirtualCamera

START_NS = 1_700_000_000_000_000_003
MS = 1_000_000
CAMERA = VirtualCamera(416, 128, 240.0, 240.0, 207.5, 60.0)
WALL_M = 7.0
GRAVITY = np.array([0.0, 0.0, 9.81])


@dataclass(frozen=True)
class Street:
    """What the robot is and how it drives."""

    seconds: float = 14.0
    height: float = 1.2  # m
    tilt_deg: float = 3.0  # the camera looks down by this
    gyro_lag_ms: int = 40
    gyro_bias: FloatArray = field(default_factory=lambda: np.array([0.004, -0.003, 0.005]))  # rad/s, in imu_link
    R_base_imu: FloatArray = field(default_factory=lambda: np.eye(3))
    speed: float = 6.0
    turning: float = 0.15  # rad/s
    shaking: float = 0.008  # rad
    seed: int = 0

    @property
    def T_base_camera(self) -> FloatArray:  # noqa: N802
        """Pose of the camera, right above the base."""
        tilt = Rotation.from_euler('x', -self.tilt_deg, degrees=True).as_matrix()
        return transform(R_BODY_OPTICAL @ tilt, np.array([0.0, 0.0, self.height]))

    def motion(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Every ms from 1 s before the start to 1 s after the end: R_odom_base (N, 3, 3), position, velocity (N, 3)."""
        count = round(1000 * (self.seconds + 2))
        rng = np.random.default_rng(self.seed)

        def smooth(sigma_ms: float, size: float) -> FloatArray:
            wave = gaussian_filter1d(rng.normal(size=count), sigma_ms)
            return size * (wave - wave.mean()) / wave.std()

        yaw = np.cumsum(smooth(300.0, self.turning)) / 1000
        roll, pitch = smooth(90.0, self.shaking), smooth(90.0, self.shaking)
        R = Rotation.from_euler('ZYX', np.stack((yaw - yaw.mean(), pitch, roll), axis=1)).as_matrix()
        heading = yaw - yaw.mean()
        speed = self.speed + smooth(800.0, 0.1 * self.speed)
        velocity = speed[:, None] * np.stack((np.cos(heading), np.sin(heading), np.zeros(count)), axis=1)
        return R, np.cumsum(velocity, axis=0) / 1000, velocity

    def image(self, R_odom_base: FloatArray, position: FloatArray, rng: np.random.Generator) -> ImageArray:
        """Grey image (128, 416)."""
        T = self.T_base_camera
        rays = CAMERA.rays() @ (R_odom_base @ T[:3, :3]).T
        eye = position + R_odom_base @ T[:3, 3]
        with np.errstate(divide='ignore', invalid='ignore'):
            to_ground = np.where(rays[..., 2] < -1e-6, -eye[2] / rays[..., 2], np.inf)
            side = np.sign(rays[..., 1]) * WALL_M
            to_wall = np.where(np.abs(rays[..., 1]) > 1e-6, (side - eye[1]) / rays[..., 1], np.inf)
        ground = to_ground < to_wall
        away = np.minimum(to_ground, to_wall)
        points = eye + np.minimum(away, 1e4)[..., None] * rays
        u = np.where(ground, points[..., 1] + 50.0, points[..., 2]) * PER_M
        grey = cv2.remap(
            TEXTURE,
            (points[..., 0] * PER_M % 4096).astype(np.float32),
            (u % 1024).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        )
        contrast = np.minimum(1.0, 25.0 / np.maximum(away, 1.0))
        image = 110.0 + contrast * (grey - 110.0) + rng.normal(0.0, 1.0, grey.shape)
        return np.clip(image, 0, 255).astype(np.uint8)

    def write(self, path: Path, truth: bool = True) -> Path:
        """The drive as a bag."""
        R, position, velocity = self.motion()
        rng = np.random.default_rng(self.seed + 1)
        transforms = {('base_link', 'camera'): self.T_base_camera, ('base_link', 'imu_link'): np.eye(4)}
        turn = Rotation.from_matrix(np.swapaxes(R[:-1], 1, 2) @ R[1:]).as_rotvec() * 1000.0
        force = np.einsum('nji,nj->ni', R[:-1], np.diff(velocity, axis=0) * 1000.0 + GRAVITY)
        with BagWriter(path) as writer:
            writer.write_static_transforms(START_NS, transforms)
            for ms in range(500, len(R) - 600, 10):
                stamp_ns = START_NS + (ms - 1000) * MS
                late = ms - self.gyro_lag_ms
                rate = self.R_base_imu.T @ turn[late - 5 : late + 5].mean(axis=0) + self.gyro_bias
                felt = self.R_base_imu.T @ force[ms - 5 : ms + 5].mean(axis=0)
                noise = rng.normal(0.0, 1.0, 6) * ([1e-3] * 3 + [0.02] * 3)
                writer.write_imu(ImuSample(stamp_ns, rate + noise[:3], felt + noise[3:]))
            for ms in range(1000, len(R) - 1000, 100):
                stamp_ns = START_NS + (ms - 1000) * MS
                writer.write_image(stamp_ns, self.image(R[ms], position[ms], rng))
                writer.write_camera_info(stamp_ns, 416, 128, (CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy))
                if truth:
                    writer.write_ground_truth(stamp_ns, transform(R[ms], position[ms]))
        return path


PER_M = 16.0


def _texture() -> FloatArray:
    noise = np.random.default_rng(9).normal(size=(1024, 4096)).astype(np.float32)
    fine, coarse = cv2.GaussianBlur(noise, (0, 0), 1.5), cv2.GaussianBlur(noise, (0, 0), 6.0)
    return np.asarray(110.0 + 25.0 * fine / fine.std() + 25.0 * coarse / coarse.std(), dtype=np.float32)


TEXTURE = _texture()
