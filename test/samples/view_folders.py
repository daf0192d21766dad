"""Folders as `atvio run` leaves them, made at once: a robot that drives a bend, with all that an estimator may tell."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from atvio_ros.evaluation.report import write_report
from atvio_ros.evaluation.view_pictures import ViewPictures
from atvio_ros.geometry import R_BODY_OPTICAL, compose, transform
from atvio_ros.types import OdometryEstimate, PairGeometry, RelativeMotion, RoadMeasurement, Trajectory

START_NS, PERIOD_NS = 10**18, 100_000_000
COLOURS = ((200, 30, 30), (30, 200, 30))  # BGR, of pictures in the first and in the second half


def estimates(
    frames: int, step_m: float = 1.02, road: bool = True, attention: bool = False, warning: str = ''
) -> list[OdometryEstimate]:
    """A bend to the left at 10 Hz. The second third stands, the last frame has the warning."""
    turn = transform(Rotation.from_euler('z', 0.02).as_matrix(), np.array([step_m, 0.0, 0.0]))
    poses = compose(np.tile(turn, (frames, 1, 1)))[1:]
    made = []
    for i, pose in enumerate(poses):
        standing = frames // 3 <= i < 2 * frames // 3
        measured = RoadMeasurement(10.0 * step_m, 0.3, 0.01, 0.9) if road else None
        weights = (0.6, 0.4) if attention else (float('nan'), float('nan'))
        geometry = PairGeometry(np.eye(3), np.eye(3), 0.002, True, False, np.zeros(3), 0.002) if road else None
        P = np.diag([0.01, 0.02, 0.03, 1e-4, 1e-4, 1e-4]) * (i + 1)
        made.append(
            OdometryEstimate(
                START_NS + (i + 1) * PERIOD_NS,
                pose,
                np.array([10.0 * step_m, 0.0, 0.0]),
                np.array([0.0, 0.0, 0.2]),
                P,
                0.04 * np.eye(6),
                RelativeMotion(np.eye(4), *weights, road=measured),
                stationary=standing,
                warnings=(warning,) if warning and i == frames - 1 else (),
                geometry=geometry,
            )
        )
    return made


def trajectory(made: list[OdometryEstimate]) -> Trajectory:
    """Of estimates, from the first image on."""
    stamps_ns = np.array([START_NS, *(each.stamp_ns for each in made)])
    return Trajectory(stamps_ns, np.stack([np.eye(4), *(each.T_odom_base for each in made)]))


def write_run(
    folder: Path, frames: int = 150, name: str = 'bend', truth: bool = True, pictures: bool = True, **options
) -> Path:
    """The folder of a run over `frames` frame pairs, its estimate 2 % too long."""
    made = estimates(frames, **options)
    seen = ViewPictures()
    for i, each in enumerate(made if pictures else []):
        picture = np.full((120, 320, 3), COLOURS[i >= frames // 2], np.uint8)
        cv2.putText(picture, str(i), (10, 80), cv2.FONT_HERSHEY_SIMPLEX, 2.0, (255, 255, 255), 3)
        seen.add(each.stamp_ns, picture)
    notes = {
        'bag': name,
        'estimator': 'road',
        'model': 'road',
        'trained': True,
        'rig': {'camera_height': 1.65, 'sources': {'camera_height': 'rig.yaml'}},
        'atvio_ros': '0.0',
        'images_received': frames + 1,
        'imu_received': 10 * frames,
        'dropped': {'first_image': 1},
    }
    true = trajectory(estimates(frames, step_m=1.0)) if truth else None
    T_base_camera = transform(R_BODY_OPTICAL, np.array([1.0, 0.0, 1.5]))
    write_report(
        folder, name, trajectory(made), true, T_base_camera, model='road', notes=notes, estimates=made,
        pictures=seen.kept,
    )  # fmt: skip
    return folder
