"""A drive: what camera and IMU of a robot saw on one trip, wherever that comes from.

Sources: KITTI's raw folders (kitti_raw) and loose files (kitti_loose), bags (bag_drive), the renderer (rendering).
Sinks: a bag (write_bag) and a sequence to train on (prepare). A new source has to be a Drive, and both sinks take it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from atvio_ros.drives.imu_readings import ImuReadings
from atvio_ros.rig.rig import Rig
from atvio_ros.types import ImageArray, Trajectory


class Drive(Protocol):
    """One camera and one IMU on one trip, on one clock."""

    @property
    def stamps_ns(self) -> NDArray[np.int64]:
        """Stamps (N,) of the images."""

    def images(self) -> Iterator[tuple[int, ImageArray]]:
        """Stamp [ns] and image, (H, W) grey or (H, W, 3) RGB, of each image, made when its turn comes.

        Raises an AtvioError on an image that cannot be made.
        """

    @property
    def imu(self) -> ImuReadings:
        """All IMU readings; they may begin before the first image and end after the last."""

    @property
    def truth(self) -> Trajectory | None:
        """True poses of base_link in a fixed frame; they may be fewer than the images. None: not known."""

    @property
    def rig(self) -> Rig:
        """The robot; its camera is that of the images as they are handed out."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about how the drive was put together, a sentence each."""
