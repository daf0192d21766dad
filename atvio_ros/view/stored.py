"""Images as they are kept: without the lens, a little wider and finer than any view that will be drawn of them.

The source image is remapped once, when it arrives; that mapping is fixed with the rig. Every view after that, level by
the newest direction of travel, the road, the previous image derotated by the gyro, is a homography of the stored image.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from atvio_ros.errors import CalibrationError
from atvio_ros.rig.camera import CameraModel
from atvio_ros.types import FloatArray, ImageArray
from atvio_ros.view.redraw import MEAN_GREY, LevelView
from atvio_ros.view.road import RoadView
from atvio_ros.view.virtual_camera import KITTI_VIEW, VirtualCamera

FINER = 1.3  # than the view: with it, interpolating twice is as sharp as scaling by area; about 640 px for KITTI_VIEW
MARGIN_DEG = 5.0  # around the view, for turns between two images and tilts that the rig does not tell
NEAREST_ROAD_H = 2.5  # road that is kept, however little of it the view shows


def stored_camera(
    view: VirtualCamera, finer: float = FINER, margin_deg: float = MARGIN_DEG, nearest_road: float = NEAREST_ROAD_H
) -> VirtualCamera:
    """The virtual camera of stored images for a view with the same axes, before what no source sees is cut off."""
    focal = finer * max(view.fx, view.fy)
    margin = np.radians(margin_deg)

    def reach(angle: float) -> float:
        return float(focal * np.tan(min(angle + margin, np.radians(80.0))))

    left = reach(np.arctan((view.cx + 0.5) / view.fx))
    right = reach(np.arctan((view.width - 0.5 - view.cx) / view.fx))
    up = reach(np.arctan((view.cy + 0.5) / view.fy))
    below = (view.height - 0.5 - view.cy) / view.fy, 1 / nearest_road
    down = reach(np.arctan(max(below)))
    return VirtualCamera(round(left + right), round(up + down), focal, focal, left - 0.5, up - 0.5)


class StoredView:
    """Makes stored images of a camera's images, and views of stored images. Rotations are those of the camera's frame.

    `virtual` is the stored images' camera, `mask` (H, W) what the source sees of it.
    """

    def __init__(
        self,
        camera: CameraModel,
        R_camera_stored: FloatArray,
        view: VirtualCamera = KITTI_VIEW,
        grey: int = MEAN_GREY,
    ) -> None:
        """`R_camera_stored` (3, 3): nominal level axes (view.level.nominal_level), seen from the camera's frame.

        Raises CalibrationError where the camera sees nothing of the way ahead.
        """
        whole = stored_camera(view)
        self.R_camera_stored = R_camera_stored
        self._grey = grey
        rows, columns = (np.flatnonzero(LevelView(camera, whole, R_camera_stored).mask.any(axis=a)) for a in (1, 0))
        if not len(rows):
            raise CalibrationError(
                'The camera sees nothing of the way ahead. Check base_to_camera (an optical frame: z forward, x right, '
                'y down) and the intrinsics.'
            )
        x, y = int(columns[0]), int(rows[0])
        self._source = LevelView(
            camera,
            whole.cropped(x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1),
            R_camera_stored,
            grey,
            cubic=False,  # measured: distances and directions are the same on fourteen drives
        )
        self._seen = self._source.mask.astype(np.uint8) * 255

    @property
    def virtual(self) -> VirtualCamera:
        """The camera of the stored images."""
        return self._source.virtual

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Which pixels (H, W) of stored images are seen; the others are grey."""
        return self._source.mask

    def store(self, image: ImageArray) -> ImageArray:
        """Source image (h, w) or (h, w, C) -> stored image (H, W, C), C = 1 or 3. Raises ImageError on another size."""
        return self._source.draw(image)

    def homography(self, virtual: VirtualCamera, R_camera_view: FloatArray) -> FloatArray:
        """(3, 3): pixel of a view -> pixel of the stored image."""
        R_stored_view = self.R_camera_stored.T @ R_camera_view
        return np.asarray(self.virtual.K @ R_stored_view @ np.linalg.inv(virtual.K))

    def draw(self, stored: ImageArray, virtual: VirtualCamera, R_camera_view: FloatArray) -> ImageArray:
        """View (virtual.height, virtual.width, C) of a stored image, whose edge is repeated where it sees nothing.

        A grey border looks like something to a network: 7 % of grey rows made distances 25 % long on a real drive.
        Pass `derotated(R_previous_current, R_camera_level)` to draw the previous image turned as the current one.
        """
        view = self._warp(stored, virtual, R_camera_view, cv2.BORDER_REPLICATE)
        return np.ascontiguousarray(view).reshape(virtual.height, virtual.width, -1)

    def seen(self, virtual: VirtualCamera, R_camera_view: FloatArray) -> NDArray[np.bool_]:
        """Which pixels (virtual.height, virtual.width) of such a view are wholly seen."""
        return np.asarray(self._warp(self._seen, virtual, R_camera_view, cv2.BORDER_CONSTANT) == 255)

    def road(self, stored: ImageArray, road: RoadView, R_camera_level: FloatArray) -> ImageArray:
        """Bird's-eye view (road.rows, road.columns, C) of a stored image; grey where nothing is seen."""
        view = road.draw(stored, self.virtual.K, self.R_camera_stored.T @ R_camera_level, self._grey)
        return view.reshape(road.rows, road.columns, -1)

    def road_seen(self, road: RoadView, R_camera_level: FloatArray) -> NDArray[np.bool_]:
        """Which cells (road.rows, road.columns) of such a view are wholly seen."""
        H = road.homography(self.virtual.K, self.R_camera_stored.T @ R_camera_level)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpPerspective(self._seen, H, (road.columns, road.rows), flags=flags) == 255)

    def _warp(self, image: ImageArray, virtual: VirtualCamera, R_camera_view: FloatArray, border: int) -> ImageArray:
        view = cv2.warpPerspective(
            image,
            self.homography(virtual, R_camera_view),
            (virtual.width, virtual.height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=border,
        )
        return np.asarray(view, dtype=np.uint8)
