"""A drive without an end over a textured plane, for measuring speed: the same images again and again, no seam."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from atvio_ros.geometry import R_BODY_OPTICAL, transform
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.rig import Rig
from atvio_ros.types import NANOSECONDS, ImageArray, ImuSample

WIDTH, HEIGHT = 1241, 376  # KITTI's camera
_K = np.array([[718.856, 0.0, 607.1928], [0.0, 718.856, 185.2157], [0.0, 0.0, 1.0]])
_CAMERA_HEIGHT_M = 1.65
IMAGES, WAY_M = 25, 0.8  # until the plane repeats, and between two images
INTERVAL_NS, READINGS = NANOSECONDS // 10, 10  # of images; IMU readings of each interval
_GRAIN_M = (0.04, 0.1, 0.25, 0.5, 2.0)  # each fits IMAGES * WAY_M without a rest
_GYRO_NOISE, _FORCE_NOISE = 0.001, 0.03  # rad/s, m/s^2, of each reading: a sensor without any seems to stand


@dataclass(frozen=True)
class EndlessDrive:
    """Straight ahead at 8 m/s, 10 images and 100 readings a second."""

    rig: Rig
    images: list[ImageArray] = field(repr=False)  # IMAGES of (HEIGHT, WIDTH, 3)

    def steps(self, seed: int = 0) -> Iterator[tuple[list[ImuSample], int, ImageArray]]:
        """IMU readings since the image before, stamp [ns] of the image, image. Without an end."""
        rng, stamp_ns, count = np.random.default_rng(seed), NANOSECONDS, 0
        while True:
            readings = []
            for i in range(READINGS):
                force = np.array([0.0, 0.0, 9.81]) + rng.normal(0.0, _FORCE_NOISE, 3)
                at_ns = stamp_ns - INTERVAL_NS + (i + 1) * INTERVAL_NS // READINGS
                readings.append(ImuSample(at_ns, rng.normal(0.0, _GYRO_NOISE, 3), force))
            yield readings, stamp_ns, self.images[count % len(self.images)]
            stamp_ns, count = stamp_ns + INTERVAL_NS, count + 1


def draw_drive() -> EndlessDrive:
    """The drive of KITTI's camera, IMU and camera without lag."""
    camera = CameraModel(WIDTH, HEIGHT, _K)
    rig = Rig(camera, transform(R_BODY_OPTICAL, np.array([0.0, 0.0, _CAMERA_HEIGHT_M])), camera_height=_CAMERA_HEIGHT_M)
    u, v = np.meshgrid(np.arange(WIDTH, dtype=np.float64), np.arange(HEIGHT, dtype=np.float64))
    rays = camera.unproject(np.stack((u, v), axis=-1)) @ rig.R_base_camera.T
    reach = _CAMERA_HEIGHT_M / np.maximum(-rays[..., 2], 1e-3)
    x, y = rays[..., 0] * reach, rays[..., 1] * reach
    pixel_m = reach**2 / _CAMERA_HEIGHT_M / _K[1, 1]  # along the way
    ground = rays[..., 2] < -0.02
    images = []
    for index in range(IMAGES):
        grey = np.full(u.shape, 110.0, np.float32)
        for seed, grain_m in enumerate(_GRAIN_M):
            cells = round(IMAGES * WAY_M / grain_m)
            grain = np.random.default_rng(seed).normal(0.0, 22.0, (cells, cells)).astype(np.float32)
            grain = np.pad(grain, (0, 1), mode='wrap')
            ahead = np.mod((x + index * WAY_M) / grain_m, cells).astype(np.float32)
            aside = np.mod(y / grain_m, cells).astype(np.float32)
            sharp = np.clip(1.5 - pixel_m / grain_m, 0.0, 1.0).astype(np.float32)  # finer than pixels: not seen
            grey += sharp * cv2.remap(grain, ahead, aside, cv2.INTER_LINEAR).astype(np.float32)
        image = np.clip(np.where(ground, grey, 180.0), 0, 255).astype(np.uint8)
        images.append(np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), np.uint8))
    return EndlessDrive(rig, images)
