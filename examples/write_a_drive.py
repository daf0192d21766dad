"""Data of another kind as a Drive: whatever takes a drive takes it, here the writer of bags.

The drive is made up: a camera over a checked floor at 2 m/s. Replace what the class hands out by your own data.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atvio_ros.bags.writer import BagWriter
from atvio_ros.drives.imu_readings import ImuReadings
from atvio_ros.drives.write_bag import write_bag
from atvio_ros.geometry import R_BODY_OPTICAL, transform, translation
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.rig import Rig
from atvio_ros.types import ImageArray, Trajectory

START_NS, FRAME_NS, IMU_NS = 1_700_000_000_000_000_000, 100_000_000, 10_000_000
SPEED_M_S, HEIGHT_M, WIDTH_PX, HEIGHT_PX, FOCAL_PX = 2.0, 1.0, 320, 160, 200.0


class CheckedFloor:
    """See atvio_ros.drives.drive.Drive for what each of these must be."""

    notes = ('Made up by examples/write_a_drive.py.',)

    def __init__(self, frames: int) -> None:
        self.stamps_ns: NDArray[np.int64] = START_NS + np.arange(frames) * FRAME_NS
        imu_ns = START_NS + np.arange(-10, 10 * frames + 10) * IMU_NS
        at_rest = (0.0, 0.0, 0.0, 0.0, 0.0, 9.81)  # gyro first; gravity included
        self.imu = ImuReadings(imu_ns, np.tile(at_rest, (len(imu_ns), 1)))
        K = np.array([[FOCAL_PX, 0.0, 159.5], [0.0, FOCAL_PX, 59.5], [0.0, 0.0, 1.0]])
        self.rig = Rig(
            CameraModel(WIDTH_PX, HEIGHT_PX, K),
            T_base_camera=transform(R_BODY_OPTICAL, np.array([0.5, 0.0, HEIGHT_M])),
            camera_height=HEIGHT_M,
        )
        ways_m = SPEED_M_S * np.arange(frames) * FRAME_NS / 1e9
        self.truth = Trajectory(self.stamps_ns, np.stack([translation(way, 0.0, 0.0) for way in ways_m]))

    def images(self) -> Iterator[tuple[int, ImageArray]]:
        """Stamp and image of each, made when its turn comes."""
        u, v = np.meshgrid(np.arange(WIDTH_PX), np.arange(HEIGHT_PX))
        ahead_m = HEIGHT_M * FOCAL_PX / np.maximum(v - 59.5, 1.0)
        right_m = ahead_m * (u - 159.5) / FOCAL_PX
        for stamp_ns, T_odom_base in zip(self.stamps_ns.tolist(), self.truth.poses, strict=True):
            checks = np.floor((ahead_m + T_odom_base[0, 3]) / 0.5) + np.floor(right_m / 0.5)
            floor = np.where(checks % 2 == 0, 70, 150)
            yield stamp_ns, np.where(v > 65, floor, 200).astype(np.uint8)


def main() -> None:
    """Write the drive as a rosbag2."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('out', type=Path, help='folder of the bag to write')
    parser.add_argument('--frames', type=int, default=50, help='images (default: 50)')
    arguments = parser.parse_args()
    width, height = write_bag(CheckedFloor(arguments.frames), BagWriter(arguments.out))
    print(f'Wrote {arguments.frames} images of {width}x{height} pixels to {arguments.out}')
    print(f'Try: atvio check {arguments.out}')


if __name__ == '__main__':
    main()
