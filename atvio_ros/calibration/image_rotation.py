"""How the camera turned between two images, by geometry alone: tracked corners and the essential matrix."""

from __future__ import annotations

import cv2
import numpy as np

from atvio_ros.rig.camera import CameraModel
from atvio_ros.types import FloatArray, ImageArray

MAX_CORNERS = 600
LEAST_CORNERS = 40
MAX_ANGLE_RAD = 0.8  # between two images; beyond, corners are not tracked but confused
_WINDOW = {'winSize': (15, 15), 'maxLevel': 4}
_INLIER_PX = 0.5
_LEAST_AHEAD = 0.35  # cosine of the angle from the axis of the camera's frame, 70 deg


class ImageRotation:
    """Feed it images in order; each call answers how the camera turned since the one before.

    Shi-Tomasi corners are tracked by pyramidal Lucas-Kanade, there and back; the five-point algorithm (Nister, PAMI
    2004) in OpenCV's USAC finds the essential matrix, whose rotation needs no scale.
    """

    def __init__(self, camera: CameraModel) -> None:
        self._camera = camera  # of images as they come, lens included
        self._focal_px = float(np.sqrt(camera.K[0, 0] * camera.K[1, 1]))
        self._K = np.diag((self._focal_px, self._focal_px, 1.0))
        self._previous: ImageArray | None = None

    def add(self, image: ImageArray) -> FloatArray | None:
        """Rotation R_previous_current (3, 3) in optical axes; None for the first image and where tracking fails."""
        grey = image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        previous, self._previous = self._previous, grey
        if previous is None or previous.shape != grey.shape:
            return None
        tracks = _track(previous, grey)
        tracks = None if tracks is None else self._without_lens(*tracks)
        if tracks is None:
            return None
        try:
            E, _ = cv2.findEssentialMat(*tracks, self._K, cv2.USAC_ACCURATE, 0.9999, _INLIER_PX)
            if E is None or E.shape != (3, 3):
                return None
            turns = cv2.decomposeEssentialMat(E)[:2]
        except cv2.error:  # degenerate corners: this pair tells nothing
            return None
        # Of the two rotations one is half a turn beyond the other. Which points lie ahead does not tell them apart
        # where the camera only turned: cv2.recoverPose finds none then, and that of OpenCV 4.5 takes the wrong one.
        R: FloatArray = max((np.asarray(turn, dtype=np.float64).T for turn in turns), key=np.trace)
        return R if np.trace(R) > 1.0 + 2.0 * np.cos(MAX_ANGLE_RAD) else None

    def _without_lens(self, before_px: FloatArray, after_px: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """Corners (K, 2) as a pinhole of the same focal length, centred, sees them; those far off its axis left out."""
        rays = self._camera.unproject(np.stack((before_px, after_px)))
        ahead = (rays[..., 2] > _LEAST_AHEAD).all(axis=0)  # False for NaN
        if ahead.sum() < LEAST_CORNERS:
            return None
        points = self._focal_px * rays[:, ahead, :2] / rays[:, ahead, 2:]
        return np.ascontiguousarray(points[0]), np.ascontiguousarray(points[1])


def _track(previous: ImageArray, current: ImageArray) -> tuple[FloatArray, FloatArray] | None:
    """Corners (K, 2) [px] in both images."""
    corners = cv2.goodFeaturesToTrack(previous, MAX_CORNERS, 0.005, 6)
    if corners is None or len(corners) < LEAST_CORNERS:
        return None
    there, found, _ = cv2.calcOpticalFlowPyrLK(previous, current, corners, None, **_WINDOW)  # type: ignore[call-overload]
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(current, previous, there, None, **_WINDOW)  # type: ignore[call-overload]
    away_px = np.linalg.norm((back - corners).reshape(-1, 2), axis=1)
    good = (found.ravel() == 1) & (found_back.ravel() == 1) & (away_px < 0.3)
    if good.sum() < LEAST_CORNERS:
        return None
    return corners.reshape(-1, 2)[good].astype(np.float64), there.reshape(-1, 2)[good].astype(np.float64)
