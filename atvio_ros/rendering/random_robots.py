"""Robots by seed, each with another camera, IMU, way of driving and conditions: for training on every kind of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from atvio_ros.rendering.conditions import Conditions
from atvio_ros.rendering.drive_settings import KITTI_INTRINSICS, KITTI_SIZE, DriveSettings, kitti_intrinsics
from atvio_ros.rendering.imu import QUALITIES, ImuSettings

KITTI_FOCAL = KITTI_INTRINSICS[0] / KITTI_SIZE[0]  # in image widths
HEIGHT_M = (0.3, 2.3)
CAR_HEIGHT_M = 1.65
TOP_SPEED = 35.0  # m/s, of cars
LONGEST_STEP = 2.8  # camera heights that a robot moves from one image to the next
NEAREST_ROAD = 5.0  # camera heights: road nearer than this is in view
LEAST_FOCAL_PX, PIXELS = 250.0, 100_000
LIKE_KITTI = 0.4  # share of the robots that are cars with a camera like KITTI's


def random_robot(seed: int, images: int = 170) -> DriveSettings:
    """A robot with `images` images of a procedural drive under conditions of its own. The seed is the drive's, too."""
    rng = np.random.default_rng((seed, 60))
    robot = _like_kitti(rng) if rng.random() < LIKE_KITTI else _any(rng)
    speed = robot.speed or 12.0
    rate = robot.rate or 9.6
    conditions = random_conditions(rng, speed, robot.camera_height)
    length = max(60.0, 1.5 * speed * images / rate + 20.0)
    return replace(
        robot, seed=seed, length=length, most_images=images, conditions=conditions, color=False, supersampling=2.5
    )


def _like_kitti(rng: np.random.Generator) -> DriveSettings:
    """A car with a wide camera at 10 Hz, looking about ahead."""
    width, height = 572, 174
    fx, fy, cx, cy = kitti_intrinsics(width, height)
    speed = None if rng.random() < 0.5 else float(rng.uniform(4.0, TOP_SPEED))
    return DriveSettings(
        speed=speed,
        width=width,
        height=height,
        intrinsics=(fx * rng.uniform(0.95, 1.05), fy * rng.uniform(0.95, 1.05), cx, cy),
        camera_height=float(rng.uniform(1.5, 1.8)),
        camera_pitch_deg=float(rng.normal(0.5, 0.7)),
        camera_yaw_deg=float(rng.normal(0.0, 0.5)),
        camera_roll_deg=float(rng.normal(0.0, 0.5)),
        imu_errors=_imu_errors(rng, lags=True),
    )


def _any(rng: np.random.Generator) -> DriveSettings:
    camera_height = float(np.exp(rng.uniform(*np.log(HEIGHT_M))))
    top = min(TOP_SPEED, TOP_SPEED * (camera_height / CAR_HEIGHT_M) ** 1.5)
    slow = 0.8 if camera_height < 1.0 else 3.0
    speed = float(np.exp(rng.uniform(np.log(slow), np.log(max(top, 1.3 * slow)))))
    rate = float(rng.choice((5.0, 7.5, 10.0, 10.0, 12.5, 15.0, 20.0, 25.0, 30.0)))
    rate = float(np.clip(max(rate, 1.3 * speed / (LONGEST_STEP * camera_height)), 5.0, 30.0))
    focal = KITTI_FOCAL * rng.uniform(0.7, 1.3)
    aspect = float(rng.choice((4 / 3, 1.6, 16 / 9, 2.0, 3.3)))
    width = 2 * round(max(np.sqrt(PIXELS * aspect), LEAST_FOCAL_PX / focal) / 2)
    height = 2 * round(width / aspect / 2)
    fx, fy = focal * width, focal * width * rng.uniform(0.98, 1.02)
    cy = height / 2 - 0.5 + height * rng.normal(0.0, 0.04)
    lowest = np.arctan((height - 0.5 - cy) / fy)  # below the optical axis
    highest_deg = -float(np.degrees(lowest - np.arctan(1.0 / NEAREST_ROAD)))  # pitch at which the near road is in view
    model, coefficients = _lens(rng)
    imu_rate = float(rng.choice((100.0, 100.0, 200.0, 400.0)))
    return DriveSettings(
        speed=speed,
        width=width,
        height=height,
        intrinsics=(fx, fy, width / 2 - 0.5 + width * rng.normal(0.0, 0.02), cy),
        distortion_model=model,
        distortion=coefficients,
        camera_height=camera_height,
        camera_pitch_deg=float(np.clip(max(rng.uniform(-8.0, 8.0), highest_deg), -8.0, 10.0)),
        camera_yaw_deg=float(rng.normal(0.0, 2.0)),
        camera_roll_deg=float(rng.normal(0.0, 1.5)),
        rate=rate,
        jitter=bool(rng.random() < 0.5),
        imu_rate=imu_rate,
        imu_errors=_imu_errors(rng, lags=rng.random() < 0.4),
    )


def _lens(rng: np.random.Generator) -> tuple[str, tuple[float, ...]]:
    """A distortion model and its coefficients; most cameras have their images rectified."""
    draw = rng.random()
    if draw < 0.75:
        return 'none', ()
    if draw < 0.95:
        k1 = float(rng.uniform(-0.3, 0.02))
        return 'plumb_bob', (k1, -0.3 * k1, *rng.normal(0.0, 4e-4, 2).tolist(), 0.0)
    return 'equidistant', (float(rng.uniform(-0.03, 0.03)), 0.003, -0.001, 0.0)


def _imu_errors(rng: np.random.Generator, lags: bool) -> ImuSettings:
    """Errors of a good or a bad IMU, half to one and a half times as large as usual, with other lags."""
    errors = QUALITIES[str(rng.choice(('kitti', 'ideal', 'mems'), p=(0.5, 0.15, 0.35)))]
    scaled: dict[str, Any] = {
        name: value * float(rng.uniform(0.5, 1.5)) for name, value in vars(errors).items() if not name.endswith('delay')
    }
    scaled['gyro_delay'] = float(rng.uniform(0.0, 0.08)) if lags else 0.0
    scaled['accelerometer_delay'] = float(rng.uniform(0.0, 0.03)) if lags else 0.0
    return ImuSettings(**scaled)


def random_conditions(rng: np.random.Generator, speed: float, camera_height: float) -> Conditions:
    """Conditions for a robot of that mean speed [m/s] and camera height [m]: about a third of them are hard."""

    def now_and_then(share: float, low: float, high: float, otherwise: float = 0.0) -> float:
        return float(rng.uniform(low, high)) if rng.random() < share else otherwise

    fast, small = speed > 18.0, camera_height < 1.0
    wet = now_and_then(0.15, 0.3, 1.0)
    rain = now_and_then(0.4, 0.2, 0.9) if wet else 0.0
    place = 'motorway' if fast else str(rng.choice(('any', 'country', 'avenue'), p=(0.75, 0.15, 0.1)))
    kerbs = not fast and rng.random() < 0.12
    draws: dict[str, Any] = {
        'texture': now_and_then(0.8 if fast else 0.4, 0.1, 0.8, 1.0),
        'wet': wet,
        'rain': rain,
        'markings': str(rng.choice(('ordinary', 'none', 'lines', 'crosswalks'), p=(0.64, 0.14, 0.14, 0.08))),
        'surroundings': place,
        'open_land': place in ('country', 'motorway') and rng.random() < 0.4,
        'kerbs': bool(kerbs),
        'tree_shadows': now_and_then(0.15, 0.5, 2.0),
        'car_ahead': None
        if small or rng.random() > 0.25
        else float(rng.uniform(5.0, 9.0) + 0.6 * speed * rng.random()),
        'slope': now_and_then(0.3, 0.02, 0.09),
        'crests': now_and_then(0.15, 0.01, 0.05),
        'stops': None if fast or rng.random() > 0.35 else float(rng.uniform(0.4, 1.0)),
        'bend_radius': float(rng.uniform(8.0, 30.0)) if not fast and rng.random() < 0.15 else None,
        'suspension': float(rng.uniform(0.5, 2.5)),
        'bumps': now_and_then(0.2, 1.0, 6.0),
        'night': str(rng.choice(('none', 'headlights', 'lamps'), p=(0.92, 0.05, 0.03))),
        'readout': now_and_then(0.08, 0.01, 0.035),
        'exposure_time': now_and_then(0.05, 0.004, 0.015),
        'exposure_changes': now_and_then(0.35, 0.05, 0.4),
    }
    return Conditions(**draws)
