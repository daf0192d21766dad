"""A robot's calibration from one drive: what of the rig a bag tells, how sure it is, and what it does not tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from atvio_ros.bags.reader import BagReader
from atvio_ros.calibration.gyro_mounting import MOST_BIAS_SIGMA, GyroMounting, fit_mounting
from atvio_ros.calibration.travel import fit_height, mean_direction
from atvio_ros.drives.bag_drive import bag_rig, bag_truth
from atvio_ros.errors import BagError, CalibrationError, ImuError, TrajectoryError
from atvio_ros.evaluation.bag_gyro_lag import Reference, gyro_readings, image_pairs, truth_pairs, turned
from atvio_ros.evaluation.road_run import RoadRun, distances, look_at_road
from atvio_ros.geometry import rotation_angle, transform
from atvio_ros.odometry.road_estimator import NOISE
from atvio_ros.rig.rig import DirectionOfTravel, Rig, RigPart
from atvio_ros.types import FloatArray, Trajectory

PROVISIONAL_HEIGHT = 1.0  # m, for directions, which do not depend on it
AGAIN = 0.1  # the height is found once more from the found one, if that was farther off
MOST_DIRECTION_SIGMA = float(np.radians(0.3))
MOST_HEIGHT_SHARE = 0.03
LEAST_AWAY_DEG = 1.0  # from a given mounting, before a part of it is replaced
AXES = ('x (pitch)', 'y (yaw)', 'z (roll)')  # of the camera

NO_HEIGHT = (
    'camera_height: images have no scale and the bag has no ground truth, so the height cannot be found. Measure from '
    'the ground to the lens and write camera_height into the file.'
)


@dataclass
class BagCalibration:
    """What one bag tells of its robot."""

    reference: Reference
    part: RigPart  # what was found, and what was given
    figures: dict[str, Any] = field(default_factory=dict)  # found: name of the quantity, value and standard error
    notes: list[str] = field(default_factory=list)  # what could not be found and why, what differs

    def add(self, name: str, value: float | list[float], error: float | list[float], unit: str) -> None:
        """Note a figure."""
        self.figures[name] = {'value': value, 'standard_error': error, 'unit': unit}


def calibrate_bag(
    reader: BagReader,
    given: RigPart | None = None,
    reference: Reference | None = None,
    search_s: float = 0.5,
    on_progress: Callable[[], None] = lambda: None,
) -> BagCalibration:
    """Calibrate from an open bag; `given` is kept where the bag tells nothing better.

    Rotation is compared with ground truth, if `reference` is that or there is one, else with the images. Raises
    BagError when the bag lacks what is needed. What the drive does not show is left out and noted.
    """
    combination = bag_rig(reader, given)
    rig, mounting_said = combination.rig, 'T_base_imu' in combination.sources
    truth = bag_truth(reader)
    if reference is None:
        reference = 'images' if truth is None else 'truth'
    part = given or RigPart('calibration')
    if part.T_camera_imu is not None:  # Kalibr's; our file holds poses in the base
        part = dataclasses.replace(part, T_camera_imu=None, T_base_camera=rig.T_base_camera, T_base_imu=rig.T_base_imu)
    result = BagCalibration(reference, part)
    _calibrate_gyro(reader, rig, mounting_said, reference, search_s, result, on_progress)
    if rig.camera is None:
        result.notes.append('direction_of_travel: there is no camera_info, so no direction can be seen. Record it.')
        return result
    run = _look(reader, result.part, on_progress)
    _calibrate_direction(run, rig, result)
    _calibrate_height(reader, run, truth, given, result, on_progress)
    return result


def _calibrate_gyro(
    reader: BagReader,
    rig: Rig,
    mounting_said: bool,
    reference: Reference,
    search_s: float,
    result: BagCalibration,
    on_progress: Callable[[], None],
) -> None:
    if reference == 'truth':
        pairs = turned(truth_pairs(reader.ground_truth()), rig.R_base_camera.T)
    elif rig.camera is None:
        raise BagError(f'{reader.path} has neither camera_info nor ground truth to measure rotation by. Record one.')
    else:
        pairs = image_pairs(reader, rig.camera, on_progress)
    stamps_ns, angular_velocity = gyro_readings(reader)
    stamps_ns = stamps_ns + round(rig.imu_time_offset * 1e9)
    try:
        found = fit_mounting(pairs, stamps_ns, angular_velocity, rig.R_camera_imu, rig.down, search_s)
    except ImuError as error:
        result.notes.append(f'gyro_lag, base_to_imu and gyro_bias: {error}')
        return
    result.figures['frame_pairs'] = found.pairs
    result.figures['rotation_explained'] = round(found.explained, 4)
    result.add('gyro_lag', round(found.lag_s, 5), round(found.lag_sigma_s, 5), 's')
    result.part = dataclasses.replace(result.part, gyro_lag=round(found.lag_s, 5))
    if abs(found.all_axes_lag_s - found.lag_s) > max(3.0 * found.lag_sigma_s, 0.005):
        result.notes.append(
            f'gyro_lag: over all axes it is {1e3 * found.all_axes_lag_s:.0f} ms; that of the heading is kept, '
            f'{1e3 * found.lag_s:.0f} ms.'
        )
    _keep_mounting(found, rig, mounting_said, result)
    if found.bias_sigma.max() <= MOST_BIAS_SIGMA:
        result.add('gyro_bias', _rounded(found.bias, 6), _rounded(found.bias_sigma, 6), 'rad/s')
        result.part = dataclasses.replace(result.part, gyro_bias=found.bias.round(6))
    else:
        result.notes.append(
            f'gyro_bias: its standard error would be {found.bias_sigma.max():.4f} rad/s. Record a longer drive.'
        )


def _keep_mounting(found: GyroMounting, rig: Rig, said: bool, result: BagCalibration) -> None:
    unseen = [name for name, seen in zip(AXES, found.observed, strict=True) if not seen]
    if unseen:
        result.notes.append(
            f"base_to_imu: the drive turns too little to tell the IMU's rotation about the camera's axis "
            f'{", ".join(unseen)}. Record sharp turns, and tip the robot up and down and to the sides.'
        )
    if len(unseen) == 3 or (unseen and found.from_nothing):
        result.notes.append('base_to_imu: left out, as it could not be found.')
        return
    away = float(np.degrees(rotation_angle(found.R_camera_imu @ rig.R_camera_imu.T)))
    errors = [float(np.degrees(sigma)) if np.isfinite(sigma) else None for sigma in found.rotation_sigma]
    offset = np.degrees(_rotation_vector(found.R_camera_imu @ rig.R_camera_imu.T))
    result.figures['mounting_beside_given'] = {
        'value': _rounded(offset, 3),
        'standard_error': [None if error is None else round(error, 3) for error in errors],
        'unit': 'deg about the axes of the camera',
    }
    sure = bool((np.abs(offset) > np.maximum(3.0 * np.degrees(found.rotation_sigma), LEAST_AWAY_DEG)).any())
    if sure:
        result.notes.append(f'base_to_imu: the IMU is turned by {away:.1f} deg from what was given.')
    if (unseen or said) and not sure:
        result.notes.append('base_to_imu: as far as the drive shows it is as given; the given holds, and is left out.')
        return
    T_base_imu = transform(rig.R_base_camera @ found.R_camera_imu, rig.T_base_imu[:3, 3])
    result.part = dataclasses.replace(result.part, T_base_imu=T_base_imu)


def _look(reader: BagReader, part: RigPart, on_progress: Callable[[], None], height: float | None = None) -> RoadRun:
    rig = bag_rig(reader, part).rig
    height = height or rig.camera_height or PROVISIONAL_HEIGHT
    return look_at_road(reader.events(lambda error: None), dataclasses.replace(rig, camera_height=height))


def _calibrate_direction(run: RoadRun, rig: Rig, result: BagCalibration) -> None:
    try:
        mean = mean_direction(run.directions[run.clear])
    except CalibrationError as error:
        result.notes.append(f'direction_of_travel: {error}')
        return
    worst = max(mean.pitch_sigma, mean.yaw_sigma)
    if worst > MOST_DIRECTION_SIGMA:
        result.notes.append(
            f'direction_of_travel: its standard error would be {np.degrees(worst):.2f} deg. Record a longer drive on a '
            'straight, level road.'
        )
        return
    result.add(
        'direction_of_travel',
        _rounded(np.degrees([mean.pitch, mean.yaw]), 3),
        _rounded(np.degrees([mean.pitch_sigma, mean.yaw_sigma]), 3),
        'deg, pitch below and yaw right of the optical axis',
    )
    away = _beside(mean, rig.expected_direction)
    if away > 3.0:
        result.notes.append(f'direction_of_travel: it is {away:.1f} deg from what was given (base_to_camera).')
    kept = DirectionOfTravel(*(round(v, 6) for v in (mean.pitch, mean.yaw, mean.pitch_sigma, mean.yaw_sigma)))
    result.part = dataclasses.replace(result.part, direction_of_travel=kept)


def _calibrate_height(
    reader: BagReader,
    run: RoadRun,
    truth: Trajectory | None,
    given: RigPart | None,
    result: BagCalibration,
    on_progress: Callable[[], None],
) -> None:
    said = bag_rig(reader, given).rig.camera_height
    if truth is None:
        if said is None:
            result.notes.append(NO_HEIGHT)
        return
    try:
        height, used = 0.0, said or PROVISIONAL_HEIGHT
        for _ in range(2):
            true_m, estimated_m = distances(run, truth)
            height, scatter = fit_height(true_m, estimated_m / used)
            sigma = float(np.hypot(scatter, NOISE.scale[0] * height))  # a drive shares the estimator's scale error
            if abs(height / used - 1.0) <= AGAIN:
                break
            run, used = _look(reader, result.part, on_progress, height), height
    except (CalibrationError, TrajectoryError) as error:
        result.notes.append(f'camera_height: {error}')
        return
    if sigma > MOST_HEIGHT_SHARE * height:
        result.notes.append(f'camera_height: it would be {height:.2f} m, standard error {sigma:.2f} m. Drive longer.')
        return
    result.add('camera_height', round(height, 4), round(sigma, 4), 'm')
    if said is not None and abs(said - height) > max(3.0 * sigma, 0.02 * said):
        result.notes.append(f'camera_height: {said:.3f} m was given, the true distances ask for {height:.3f} m.')
    if result.part.camera_height is None:
        result.part = dataclasses.replace(result.part, camera_height=round(height, 4))


def _beside(a: DirectionOfTravel, b: DirectionOfTravel) -> float:
    """Angle between two directions [deg]."""
    return float(np.degrees(np.arccos(np.clip(a.vector @ b.vector, -1.0, 1.0))))


def _rotation_vector(R: FloatArray) -> FloatArray:
    return np.asarray(Rotation.from_matrix(R).as_rotvec())


def _rounded(values: FloatArray, digits: int) -> list[float]:
    return [round(float(value), digits) for value in values]
