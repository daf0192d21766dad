"""Turns a drive into a prepared sequence (drives/sequence_store.py), which training reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from atvio_ros.drives.drive import Drive
from atvio_ros.drives.exclusions import check_excluded
from atvio_ros.drives.sequence_store import PreparedSequence, SequenceMeta
from atvio_ros.drives.sequence_writer import SequenceWriter
from atvio_ros.errors import DatasetError
from atvio_ros.geometry import rotations, transform
from atvio_ros.preprocessing import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX
from atvio_ros.rig.rig import Rig
from atvio_ros.rig.rig_yaml import rig_settings
from atvio_ros.types import FloatArray, ImageArray, Trajectory
from atvio_ros.view.level import nominal_level
from atvio_ros.view.stored import StoredView
from atvio_ros.view.virtual_camera import KITTI_VIEW

_MAX_TRUTH_GAP_NS = 250_000_000  # ground truth is interpolated between poses at most this far apart
_LUMA_FROM_RGB = cv2.COLOR_RGB2GRAY


def prepare(
    drive: Drive,
    folder: Path,
    meta: SequenceMeta,
    *,
    size_px: tuple[int, int] = (IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX),
    grey: bool = False,
    view: str = 'none',
    view_pitch_deg: float = 0.0,
    on_progress: Callable[[], None] = lambda: None,
) -> PreparedSequence:
    """Write the drive as the prepared sequence `folder`, its images scaled to `size_px` (height, width).

    `view` 'level': grey images of that size that KITTI's camera would take from there, its axes along the nominal
    direction of travel, which lies `view_pitch_deg` below them. The odometry turns them further, by the direction that
    it measures; this does not. 'stored': grey images as the odometry keeps them (view/stored.py), of a size that
    follows from the rig; `size_px` does not count.
    `meta` says what the drive does not: its source, fingerprint and topics, and the stretches to exclude.
    `on_progress` is called for each image. Raises DatasetError without ground truth, as SequenceWriter does, and when
    a stretch to exclude goes beyond the last image; CalibrationError where a view needs to know more of the robot; and
    what the drive raises.
    """
    truth, imu, rig = drive.truth, drive.imu, drive.rig
    if truth is None:
        raise DatasetError(f'The drive for {folder.name} has no ground truth, which training needs.')
    left_out = 0
    level: _Level | _Stored | None = None
    if view == 'level':
        level = _Level(rig, size_px, view_pitch_deg)
    elif view == 'stored':
        level = _Stored(rig)
        size_px = level.virtual.height, level.virtual.width
    with SequenceWriter(folder, *size_px) as writer:
        for stamp_ns, image in drive.images():
            pixels = _grey(image) if grey or level else image
            left_out += not writer.add_image(stamp_ns, level.draw(pixels) if level else pixels)
            on_progress()
        check_excluded(folder.name, meta.excluded, len(writer.stamps_ns))
        T_fixed_base = poses_at(truth, writer.stamps_ns)
        T_base_image = level.T_base_view if level else rig.T_base_camera
        camera = level.virtual.model if level else rig.camera
        seen: dict[str, Any] = {'view': view, 'view_pitch_deg': view_pitch_deg if view == 'level' else 0.0}
        return writer.finish(
            imu.stamps_ns,
            imu.values,
            T_fixed_base @ T_base_image,
            T_base_image,
            rig.R_base_imu,
            replace(meta, notes=_notes(left_out, T_fixed_base), rig=rig_settings(rig), **seen),
            None if camera is None else camera.intrinsics,
        )


class _Level:
    """Draws level views as the odometry does: images without their lens first, then a homography of them."""

    def __init__(self, rig: Rig, size_px: tuple[int, int], pitch_deg: float) -> None:
        height_px, width_px = size_px
        self.virtual = KITTI_VIEW.resized(width_px, height_px)
        self._camera = rig.needed_camera
        self._R_camera_level = nominal_level(rig)
        R_level_view = rotations(np.array([np.radians(pitch_deg), 0.0, 0.0]))
        self._R_camera_view = self._R_camera_level @ R_level_view
        self._stored: StoredView | None = None  # made with the first image, whose size it needs
        _ = rig.needed_height  # in which motions are measured
        self.T_base_view: FloatArray = rig.T_base_camera @ transform(self._R_camera_view, np.zeros(3))

    def draw(self, grey: ImageArray) -> ImageArray:
        """Grey image (h, w) or (h, w, 1) -> view (H, W, 1)."""
        grey = grey if grey.ndim == 2 else grey[:, :, 0]
        if self._stored is None:
            height, width = grey.shape
            self._stored = StoredView(self._camera.scaled(width, height), self._R_camera_level, self.virtual)
        return self._stored.draw(self._stored.store(grey), self.virtual, self._R_camera_view)


def poses_at(truth: Trajectory, stamps_ns: NDArray[np.int64]) -> FloatArray:
    """Poses (N, 4, 4) at stamps (N,): those of the trajectory where it has the stamp, interpolated between two close
    ones, NaN elsewhere."""
    poses = np.full((len(stamps_ns), 4, 4), np.nan)
    known_ns = truth.stamps_ns
    after = np.searchsorted(known_ns, stamps_ns)
    exact = known_ns[np.minimum(after, len(known_ns) - 1)] == stamps_ns
    poses[exact] = truth.poses[after[exact]]
    between = np.flatnonzero(~exact & (after > 0) & (after < len(known_ns)))
    between = between[known_ns[after[between]] - known_ns[after[between] - 1] <= _MAX_TRUTH_GAP_NS]
    if len(between):
        from scipy.spatial.transform import Rotation, Slerp  # where it is needed: see geometry.py

        seconds = (known_ns - known_ns[0]) / 1e9
        wanted = (stamps_ns[between] - known_ns[0]) / 1e9
        poses[between] = np.eye(4)
        poses[between, :3, :3] = Slerp(seconds, Rotation.from_matrix(truth.poses[:, :3, :3]))(wanted).as_matrix()
        for axis in range(3):
            poses[between, axis, 3] = np.interp(wanted, seconds, truth.poses[:, axis, 3])
    return poses


class _Stored:
    """Keeps images as the odometry does (odometry/sight.py)."""

    def __init__(self, rig: Rig) -> None:
        R_camera_stored = nominal_level(rig)
        self._stored = StoredView(rig.needed_camera, R_camera_stored)
        self.virtual = self._stored.virtual
        _ = rig.needed_height  # in which motions are measured
        self.T_base_view: FloatArray = rig.T_base_camera @ transform(R_camera_stored, np.zeros(3))

    def draw(self, grey: ImageArray) -> ImageArray:
        """Grey image (h, w) or (h, w, 1) of the calibrated size -> stored image (H, W, 1)."""
        return self._stored.store(grey)


def _grey(image: ImageArray) -> ImageArray:
    return np.asarray(cv2.cvtColor(image, _LUMA_FROM_RGB)) if image.ndim == 3 and image.shape[2] == 3 else image


def _notes(left_out: int, poses: FloatArray) -> tuple[str, ...]:
    notes = []
    if left_out:
        notes.append(f'{left_out} images left out: their stamps were not newer than those before them.')
    unknown = int(np.isnan(poses[:, 0, 0]).sum())
    if unknown:
        notes.append(f'{unknown} images have no ground truth and are not used for training.')
    return tuple(notes)
