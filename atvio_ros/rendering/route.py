"""A procedural drive: where the road goes and how a car moves along it, by seed."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.ndimage import gaussian_filter1d
from scipy.signal import bilinear, lfilter
from scipy.spatial.transform import Rotation

from atvio_ros.rendering.conditions import ORDINARY, Conditions
from atvio_ros.rendering.drivers import LATERAL_LIMIT, Driver, driver_under
from atvio_ros.rendering.trajectory import Motion
from atvio_ros.types import FloatArray

STEP_M = 0.5  # spacing of the road's samples
RATE_HZ = 50.0  # of the poses the motion is made through
STEEPEST = 0.09  # rise per metre of a road
BRAKING, THROTTLE = 1.9, 1.3  # m/s^2
HURRY = 1.4  # how much faster than the mean speed asked for anybody goes to make up for bends
WHEELBASE_M, SPRING_HZ, DAMPING = 2.7, 1.3, 0.3  # of a car
BUMP_M = (0.05, 0.5)  # height, and standard deviation of the shape along the way
# How the sensors' common frame sits in the car, which load and springs decide: nose down and to the right [deg], mean
# and spread over drives. KITTI's base_link dips 0.5 to 0.7 degrees below the way it moves.
DIP_DEG, TILT_DEG = (0.55, 0.35), (0.0, 0.3)


def random_drive(
    length_m: float,
    rng: np.random.Generator,
    base_height_m: float,
    mean_speed: float | None = None,
    conditions: Conditions = ORDINARY,
) -> Motion:
    """The motion of base_link, `base_height_m` above the road, over `length_m` metres of a random road.

    `mean_speed` [m/s] is that while it moves; None: a car, each district with its own.
    """
    driver = driver_under(conditions, mean_speed)
    curvature, speed, stops, slope = _draw_road(length_m, rng, driver)
    if conditions.crests:
        slope = slope + conditions.crests * _wander(len(slope), max(2.0, 6.0 * driver.size) / STEP_M, rng)
    way_m, times_s = _drive(curvature, speed, stops, rng, driver)
    return _ride(curvature, slope, way_m, times_s, rng, base_height_m, driver, conditions)


def _draw_road(
    length_m: float, rng: np.random.Generator, driver: Driver
) -> tuple[FloatArray, FloatArray, dict[int, float], FloatArray]:
    """Curvature [1/m] and speed limit [m/s] each STEP_M, stops {sample: seconds}, and the rise per metre."""
    samples = int(np.ceil(length_m / STEP_M)) + 1
    curvature: list[float] = []
    speed: list[float] = []
    slope: list[float] = []
    stops: dict[int, float] = {}
    district = driver.districts[rng.choice(len(driver.districts), p=driver.shares)]
    remaining_m = rng.uniform(300.0, 900.0)
    while len(curvature) < samples:
        if remaining_m < 0:
            district = driver.districts[rng.choice(len(driver.districts), p=driver.shares)]
            remaining_m = rng.uniform(300.0, 900.0)
        straight = int(rng.uniform(*district.straight) / STEP_M)
        turn = rng.random() < district.junctions
        radius = max(3.0, rng.uniform(6.5, 13.0) * driver.size) if turn else rng.uniform(*district.radius)
        angle = np.radians(rng.uniform(75.0, 105.0) if turn else rng.uniform(*district.angle_deg))
        bend = max(1, int(angle * radius / STEP_M))
        sign = rng.choice([-1.0, 1.0])
        if rng.random() < district.stops:
            stops[len(curvature) + straight - int(8.0 * driver.size / STEP_M)] = rng.uniform(1.0, 8.0)
        drift = rng.normal(0.0, 2e-4)  # no real road is quite straight
        curvature += [drift] * straight + [sign / radius] * bend
        speed += [rng.uniform(*district.speed)] * (straight + bend)
        slope += [rng.normal(0.0, district.slope)] * (straight + bend)
        remaining_m -= (straight + bend) * STEP_M
    stops = {sample: seconds for sample, seconds in stops.items() if 20 < sample < samples - 20}
    return (
        gaussian_filter1d(np.array(curvature[:samples]), max(0.5, 2.0 * driver.size) / STEP_M),  # steering takes time
        gaussian_filter1d(np.array(speed[:samples]), 15.0 * driver.size / STEP_M),
        stops,
        np.clip(gaussian_filter1d(np.array(slope[:samples]), 25.0 / STEP_M), -STEEPEST, STEEPEST),
    )


def _drive(
    curvature: FloatArray, speed: FloatArray, stops: dict[int, float], rng: np.random.Generator, driver: Driver
) -> tuple[FloatArray, FloatArray]:
    """Way driven [m] at times [s], RATE_HZ: within the limits of speed, lateral acceleration, throttle and brake."""
    in_bends = np.sqrt(LATERAL_LIMIT * driver.ease / np.maximum(np.abs(curvature), 1e-4))
    mood = 1.0 + 0.08 * _wander(len(speed), 60.0 / STEP_M, rng)
    pace_s = _pace(np.minimum(speed, in_bends) * mood, stops, driver.ease)
    if driver.mean_speed is not None:  # who slows down in bends goes faster elsewhere
        for _ in range(4):
            hurry = driver.mean_speed * float(pace_s.mean()) / STEP_M
            speed = np.minimum(speed * hurry, HURRY * driver.mean_speed)
            pace_s = _pace(np.minimum(speed, in_bends) * mood, stops, driver.ease)
    for sample, seconds in stops.items():
        pace_s[sample] += seconds
    arrival_s = np.concatenate(([0.0], np.cumsum(pace_s)))
    way_m = np.arange(len(speed)) * STEP_M
    # A stop is a plateau: the car stands where it stopped, then covers the step in the usual time.
    held = sorted(stops)
    if held:
        arrival_s = np.concatenate((arrival_s, arrival_s[held] + [stops[sample] for sample in held]))
        way_m = np.concatenate((way_m, way_m[held]))
        order = np.argsort(arrival_s, kind='stable')
        arrival_s, way_m = arrival_s[order], way_m[order]
    times_s = np.arange(0.0, arrival_s[-1], 1.0 / RATE_HZ)
    jerky = np.interp(times_s, arrival_s, way_m)
    # Odd reflection keeps the speed at both ends while the filter removes what no car can do.
    pad = int(2 * RATE_HZ)
    padded = np.pad(jerky, pad, mode='reflect', reflect_type='odd')
    return gaussian_filter1d(padded, 0.35 * RATE_HZ)[pad:-pad], times_s


def _pace(limit: FloatArray, stops: dict[int, float], ease: float) -> FloatArray:
    """Seconds (S - 1,) for each step within limits of speed (S,) [m/s], throttle and brake; stops are touched."""
    squares = limit**2
    squares[list(stops)] = 0.0
    for i in range(1, len(squares)):
        squares[i] = min(squares[i], squares[i - 1] + 2 * THROTTLE * ease * STEP_M)
    for i in range(len(squares) - 2, -1, -1):
        squares[i] = min(squares[i], squares[i + 1] + 2 * BRAKING * ease * STEP_M)
    velocity = np.sqrt(squares)
    return np.asarray(STEP_M / np.maximum((velocity[1:] + velocity[:-1]) / 2, 0.3))


def _ride(
    curvature: FloatArray,
    slope: FloatArray,
    way_m: FloatArray,
    times_s: FloatArray,
    rng: np.random.Generator,
    base_height_m: float,
    driver: Driver,
    conditions: Conditions,
) -> Motion:
    """Put the car on the road: its rear axle follows the lane, its body dives, rolls and bounces on its springs."""
    ease, size = driver.ease, driver.size
    samples_m = np.arange(len(curvature)) * STEP_M
    offset = 0.18 * _wander(len(curvature), 25.0 / STEP_M, rng)  # no driver keeps the middle of the lane exactly
    heading = np.concatenate(([0.0], np.cumsum((curvature[1:] + curvature[:-1]) / 2 * STEP_M)))
    steps = np.stack((np.cos(heading), np.sin(heading), slope), axis=1) * STEP_M
    centre = np.concatenate((np.zeros((1, 3)), np.cumsum((steps[1:] + steps[:-1]) / 2, axis=0)))
    centre[:, :2] += offset[:, None] * np.stack((-np.sin(heading), np.cos(heading)), axis=1)
    road = make_interp_spline(samples_m, centre, k=3)
    tangent = road.derivative(1)(way_m)
    yaw = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
    velocity = np.gradient(way_m, times_s)
    forward = np.gradient(velocity, times_s)
    sideways = velocity * np.gradient(yaw, times_s)
    liveliness = ease * np.minimum(velocity / (8.0 * ease), 1.3)
    n = len(times_s)
    soft = conditions.suspension
    along = -np.arctan(tangent[:, 2])
    pitch = along - soft * 0.004 * forward + np.radians(0.22) * soft * liveliness * _bounce(n, rng)
    roll = soft * 0.006 * sideways + np.radians(0.3) * soft * liveliness * _bounce(n, rng)
    heave_m = 0.008 * soft * liveliness * _bounce(n, rng)
    dip, tilt = np.radians(rng.normal(*DIP_DEG)), np.radians(rng.normal(*TILT_DEG))
    pitch += dip
    roll += tilt
    if conditions.bumps:
        lifted_m, tipped = _bumps(way_m, rng, conditions.bumps, size)
        heave_m, pitch = heave_m + lifted_m, pitch + tipped
    place, upright = road(way_m), np.zeros(n)
    still = None
    if soft != 1.0 or conditions.bumps:  # springs that move this much must not move the road that is laid below
        still = Motion(times_s, _poses(place, yaw, along + dip, upright + tilt, upright + base_height_m))
    return Motion(times_s, _poses(place, yaw, pitch, roll, heave_m + base_height_m), still)


def _bumps(way_m: FloatArray, rng: np.random.Generator, per_100_m: float, size: float) -> tuple[FloatArray, FloatArray]:
    """Lift [m] and nose-down pitch [rad], each (N,), of a body whose wheels cross bumps on the way; RATE_HZ.

    Front and rear wheels follow the bumps; springs and dampers pass them on to the body (a quarter-car each).
    """
    where = np.cumsum(rng.exponential(100.0 / per_100_m, int(way_m[-1] / 100.0 * per_100_m * 2) + 3))
    height_m = BUMP_M[0] * size * rng.uniform(0.6, 1.2, len(where))

    def bumps(at_m: FloatArray) -> FloatArray:
        distance = (at_m[:, None] - where) / (BUMP_M[1] * size)
        return np.asarray(np.exp(-0.5 * distance**2) @ height_m)

    base_m = WHEELBASE_M * size
    rear, front = bumps(way_m), bumps(way_m + base_m)
    natural = 2 * np.pi * SPRING_HZ / np.sqrt(size)
    damper, spring = 2 * DAMPING * natural, natural**2
    passed_on = bilinear((damper, spring), (1.0, damper, spring), RATE_HZ)
    return lfilter(*passed_on, rear), lfilter(*passed_on, (rear - front) / base_m)


def _poses(place: FloatArray, yaw: FloatArray, pitch: FloatArray, roll: FloatArray, above_m: FloatArray) -> FloatArray:
    """Poses (N, 4, 4) of a body `above_m` over places (N, 3) of the road."""
    poses = np.tile(np.eye(4), (len(place), 1, 1))
    poses[:, :3, :3] = Rotation.from_euler('ZYX', np.stack((yaw, pitch, roll), axis=1)).as_matrix()
    poses[:, :3, 3] = place + np.outer(above_m, (0.0, 0.0, 1.0))
    return poses


def _wander(samples: int, scale: float, rng: np.random.Generator) -> FloatArray:
    """Smooth noise of unit deviation that changes over `scale` samples."""
    noise = gaussian_filter1d(rng.standard_normal(samples + int(8 * scale)), scale)[int(4 * scale) :][:samples]
    return np.asarray(noise * np.sqrt(2.0 * scale * np.sqrt(np.pi)))


def _bounce(samples: int, rng: np.random.Generator) -> FloatArray:
    """A car body on its springs: noise of unit deviation between about 0.3 and 2 Hz."""
    fast, slow = (_wander(samples, sigma_s * RATE_HZ, rng) for sigma_s in (0.12, 0.35))
    return 0.5 * fast + 0.85 * slow
