"""From sensor data to network input. Training and the node both call exactly these functions."""

from __future__ import annotations

import cv2
import numpy as np

from atvio_ros.errors import ImuError
from atvio_ros.types import FloatArray, ImageArray, ImuWindow

IMAGE_HEIGHT_PX = 128  # ATVIO section 3.1
IMAGE_WIDTH_PX = 416
IMU_SAMPLES = 11  # N of ATVIO section 2.2: ten 100 Hz intervals between two 10 Hz images, both ends included


def scale_image(image: ImageArray, height_px: int = IMAGE_HEIGHT_PX, width_px: int = IMAGE_WIDTH_PX) -> ImageArray:
    """Scale an image (H, W), (H, W, 1) or (H, W, 3) to (height_px, width_px, C), C = 1 or 3, by pixel area.

    The whole image is kept and the aspect ratio is not: the focal length in pixels scales per axis with it.
    """
    if image.shape[:2] != (height_px, width_px):
        if image.shape[:2] == (1, 1):
            image = np.repeat(image, 2, axis=0)  # OpenCV 4.5 refuses a single pixel of three channels
        image = np.asarray(cv2.resize(image, (width_px, height_px), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return np.ascontiguousarray(image if image.ndim == 3 else image[:, :, None])


def resample_imu(window: ImuWindow, start_ns: int, end_ns: int, samples: int = IMU_SAMPLES) -> FloatArray:
    """Readings at `samples` evenly spaced times from start_ns to end_ns, both included, by linear interpolation.

    Returns (samples, 6): wx wy wz [rad/s], ax ay az [m/s^2]. Outside the window the nearest reading is held; whoever
    cuts the window limits how far that may reach. Raises ImuError on an empty window or one that is not finite.
    """
    if len(window.stamps_ns) == 0:
        raise ImuError(
            'No IMU readings between two images. Check that the IMU topic is published and its stamps match.'
        )
    if not np.isfinite(window.values).all():
        raise ImuError('IMU readings hold NaN or infinity. Filter them before they reach this package.')
    # Relative to the start, so that float64 keeps nanoseconds exactly for epoch stamps.
    known_ns = (window.stamps_ns - start_ns).astype(np.float64)
    wanted_ns = np.linspace(0.0, float(end_ns - start_ns), samples)
    return np.stack([np.interp(wanted_ns, known_ns, column) for column in window.values.T], axis=1)
