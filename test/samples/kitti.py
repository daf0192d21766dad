"""Tiny KITTI trees and loose files with invented content, for the tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from atvio_ros.geometry import compose, decode_motion
from atvio_ros.trajectory_files import write_kitti_poses

START = np.datetime64('2011-09-30T12:00:00.000000123', 'ns')
FRAME_NS = 103_700_001
IMU_NS = 10_000_000
SIZE = (40, 24)  # width, height

CAM_TO_CAM = """calib_time: 09-Jan-2012 13:57:47
K_00: 30 0 20 0 30 12 0 0 1
D_00: 0 0 0 0 0
R_rect_00: 1 0 0 0 1 0 0 0 1
S_rect_00: 4.0e+01 2.4e+01
P_rect_00: 30 0 20 0 0 30 12 0 0 0 1 0
K_02: 30 0 20 0 30 12 0 0 1
D_02: 0 0 0 0 0
R_rect_02: 1 0 0 0 1 0 0 0 1
S_rect_02: 4.0e+01 2.4e+01
P_rect_02: 30 0 20 1.8 0 30 12 0 0 0 1 0
"""
IMU_TO_VELO = 'calib_time: x\nR: 1 0 0 0 1 0 0 0 1\nT: -0.81 0.32 -0.80\n'
VELO_TO_CAM = 'calib_time: x\nR: 0 -1 0 0 0 -1 1 0 0\nT: 0.0 -0.07 -0.27\n'


def picture(index: int, colour: bool = False) -> np.ndarray:
    """(24, 40) grey or (24, 40, 3) RGB."""
    width, height = SIZE
    shape = (height, width, 3) if colour else (height, width)
    return np.random.default_rng(index).integers(0, 255, shape, dtype=np.uint8)


def write_picture(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image[..., ::-1] if image.ndim == 3 else image)[1].tobytes())


def camera_poses(count: int) -> np.ndarray:
    """(count, 4, 4): 1 m forward along optical z and 0.02 rad to the left (about -y) each frame."""
    return compose(np.stack([decode_motion(np.array([0.0, 0.0, 1.0, 0.0, -0.02, 0.0]))] * (count - 1)))


def timestamps(stamps_ns: np.ndarray) -> str:
    """KITTI's lines for stamps [ns] counted from START."""
    return ''.join(f'{str(START + np.timedelta64(int(ns), "ns")).replace("T", " ")}\n' for ns in stamps_ns)


def packet(index: int) -> list[float]:
    """The 30 numbers of an OXTS packet: each names its column, and the gyro about z its index."""
    values = [float(column) for column in range(30)]
    values[19] = index / 7
    return values


def write_loose(folder: Path, count: int = 4, imu: str = 'imu.txt') -> dict[str, Path]:
    """Paths by option: images, times, imu, poses."""
    for i in range(count):
        write_picture(folder / 'images' / f'{i:06d}.png', picture(i))
    (folder / 'times.txt').write_text(''.join(f'{i * FRAME_NS / 1e9:.9f}\n' for i in range(count)))
    write_kitti_poses(folder / 'poses.txt', camera_poses(count))
    table = np.random.default_rng(7).normal(size=(10 * (count - 1) + 1, 6))
    np.savetxt(folder / 'imu.txt', table, fmt='%.17g', header='ax ay az wx wy wz')
    paths = {'images': folder / 'images', 'times': folder / 'times.txt', 'poses': folder / 'poses.txt'}
    return {**paths, 'imu': folder / imu}


def write_raw(
    folder: Path,
    drive: str = '2011_09_30_drive_0016',
    sequence: str = '04',
    frames: range = range(4),
    *,
    kind: str = 'sync',
    camera: str = 'image_02',
    oxts_ns: np.ndarray | None = None,
) -> Path:
    """A raw tree with images `frames` and OXTS packets at the given times after START, in the given order."""
    day = folder / drive[:10]
    images = day / f'{drive}_{kind}' / camera
    for frame in frames:
        write_picture(images / 'data' / f'{frame:010d}.png', picture(frame, colour=camera == 'image_02'))
    (images / 'timestamps.txt').write_text(timestamps(np.arange(frames[-1] + 1) * FRAME_NS))
    if oxts_ns is None:
        oxts_ns = np.arange(frames[0] * FRAME_NS - 5 * IMU_NS, (frames[-1] + 1) * FRAME_NS, IMU_NS)
    oxts = day / f'{drive}_extract' / 'oxts'
    (oxts / 'data').mkdir(parents=True)
    (oxts / 'timestamps.txt').write_text(timestamps(oxts_ns))
    for i in range(len(oxts_ns)):
        (oxts / 'data' / f'{i:010d}.txt').write_text(' '.join(map(repr, packet(i))))
    (day / 'calib_cam_to_cam.txt').write_text(CAM_TO_CAM)
    (day / 'calib_imu_to_velo.txt').write_text(IMU_TO_VELO)
    (day / 'calib_velo_to_cam.txt').write_text(VELO_TO_CAM)
    (folder / 'poses').mkdir()
    write_kitti_poses(folder / 'poses' / f'{sequence}.txt', camera_poses(len(frames)))
    return folder
