"""Drives of a camera over an endless textured plane, drawn by projecting every pixel: no graphics card, known truth."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from atvio_ros.geometry import R_BODY_OPTICAL, transform
from atvio_ros.odometry.pipeline import Estimator, assemble, run_offline
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.rig import Rig
from atvio_ros.types import CameraFrame, ImageArray, ImuSample, OdometryEstimate
from samples.streams import MS, START_NS

CAMERA = CameraModel(416, 160, np.array([[240.0, 0.0, 207.5], [0.0, 240.0, 60.0], [0.0, 0.0, 1.0]]))
_CELLS_M = (0.04, 0.1, 0.25, 0.7, 2.0)  # grain of the plane, each as strong as the other
_SIZE = 256  # cells until the grain repeats


def robot(height_m: float = 1.0, pitch_deg: float = 0.0) -> Rig:
    """A camera over the base, looking ahead and `pitch_deg` down."""
    R = R_BODY_OPTICAL @ Rotation.from_euler('x', -pitch_deg, degrees=True).as_matrix()
    return Rig(CAMERA, transform(R, np.array([0.0, 0.0, height_m])), camera_height=height_m)


@dataclass(frozen=True)
class PlaneDrive:
    """Straight along base x at a constant speed, from the first image on."""

    rig: Rig  # as it is
    metres_a_frame: float
    frames: int = 25
    interval_ms: int = 100
    gyro_bias: tuple[float, float, float] = (0.0, 0.0, 0.0)  # rad/s, in base axes
    gyro_noise: float = 0.0  # rad/s, of each reading
    right_half_moves: float = 1.0  # of the way: less, as the mirror image on a wet road

    def image(self, index: int) -> ImageArray:
        """(H, W) grey."""
        camera, height_m = self.rig.needed_camera, self.rig.needed_height
        u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
        rays = camera.unproject(np.stack((u, v), axis=-1)) @ self.rig.R_base_camera.T
        down = np.maximum(-rays[..., 2], 1e-3)
        reach = height_m / down
        y = rays[..., 1] * reach
        moved = np.where(y < 0.0, self.right_half_moves, 1.0)
        x = rays[..., 0] * reach + index * self.metres_a_frame * moved
        pixel_m = reach**2 / height_m / camera.K[1, 1]  # along the way
        grey = np.full(u.shape, 110.0, dtype=np.float32)
        for seed, cell_m in enumerate(_CELLS_M):
            grain = np.random.default_rng(seed).normal(0.0, 22.0, (_SIZE, _SIZE)).astype(np.float32)
            at = (np.mod(coordinate / cell_m, _SIZE - 1).astype(np.float32) for coordinate in (x, y))
            sharp = np.clip(1.5 - pixel_m / cell_m, 0.0, 1.0)  # grain finer than pixels is not seen
            grey += (sharp * cv2.remap(grain, *at, cv2.INTER_LINEAR)).astype(np.float32)
        return np.clip(np.where(rays[..., 2] < -0.02, grey, 180.0), 0, 255).astype(np.uint8)

    def run(
        self, estimator: Estimator, believed: Rig | None = None, standstill: bool = False
    ) -> list[OdometryEstimate]:
        """Odometry of the drive, on a robot that is `believed` to be so."""
        odometry = assemble(estimator, believed or self.rig, standstill=standstill)
        events: list[ImuSample | CameraFrame] = []
        rng = np.random.default_rng(0)
        for index in range(self.frames):
            stamp_ns = START_NS + index * self.interval_ms * MS
            events.append(odometry.intake.frame(stamp_ns, self.image(index)))
            for ms in range(0, self.interval_ms, 5):
                gyro = np.array(self.gyro_bias) + rng.normal(0.0, self.gyro_noise, 3)
                force = np.array([0.0, 0.0, 9.81])
                events.append(ImuSample(stamp_ns + ms * MS, gyro, force))
        return [estimate for _, estimate in run_offline(events, odometry.pairer, odometry.engine)]


def believed(rig: Rig, **changes: object) -> Rig:
    """The robot with something told wrongly."""
    return dataclasses.replace(rig, **changes)  # type: ignore[arg-type]


def way_a_frame(estimates: list[OdometryEstimate], settled: int = 8) -> float:
    """Mean way along base x a frame [m], once the filters have settled."""
    x = np.array([estimate.T_odom_base[0, 3] for estimate in estimates])
    return float(np.diff(x)[settled:].mean())
