"""Whether odometry can work on a bag: a finding for each thing that must be right, with what to do where it is not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from scipy.spatial.transform import Rotation

from atvio_ros.bags.reader import BagImage, BagReader
from atvio_ros.calibration.gyro_mounting import fit_mounting
from atvio_ros.calibration.gyro_recording import RotationPairs
from atvio_ros.calibration.image_rotation import ImageRotation
from atvio_ros.drives.bag_drive import bag_rig, bag_truth
from atvio_ros.errors import BagError, CalibrationError, ImuError
from atvio_ros.evaluation.bag_calibration import PROVISIONAL_HEIGHT
from atvio_ros.evaluation.bag_gyro_lag import as_pairs
from atvio_ros.evaluation.findings import Finding, error, graded, ok, warning
from atvio_ros.evaluation.road_run import RoadRun, look_at_road
from atvio_ros.evaluation.stream_checks import image_findings, imu_findings, vehicle_findings
from atvio_ros.geometry import rotation_angle
from atvio_ros.odometry.input_checks import is_blank
from atvio_ros.odometry.readiness import FARTHEST_ROAD_H
from atvio_ros.odometry.road_estimator import UNSEEN_S
from atvio_ros.odometry.speed_check import TOO_FAST
from atvio_ros.rig.combine import Combination
from atvio_ros.rig.rig import DirectionOfTravel, Rig, RigPart
from atvio_ros.types import FloatArray, ImuSample
from atvio_ros.view.level import nominal_level
from atvio_ros.view.road import nearest_road

LOOKED_AT_S = 120.0  # of the images: rotation and road are not looked for in a whole day
NEAREST_H = FARTHEST_ROAD_H, 8.0  # camera heights
DIRECTION_DEG = 3.0, 10.0
MOUNTING_DEG = 3.0, 10.0
LAG_S = 0.02, 0.3
LEAST_EXPLAINED = 0.7
LEAST_CLEAR = 20  # frame pairs
_MAX_INTERVAL_NS = 500_000_000


class _Streams:
    """What passes by while the events of a bag are read once: stamps, sizes, readings, rotations between images."""

    def __init__(self, rig: Rig, on_progress: Callable[[], None]) -> None:
        self._rotations = None if rig.camera is None else ImageRotation(rig.camera)
        self._on_progress = on_progress
        self.image_ns: list[int] = []
        self.sizes: set[tuple[int, int]] = set()
        self.blank = 0
        self.imu_ns: list[int] = []
        self.readings: list[FloatArray] = []
        self._rotated: list[tuple[int, int, FloatArray]] = []

    def early(self, events: Iterator[ImuSample | BagImage]) -> Iterator[ImuSample | BagImage]:
        """The events of the first minutes, for the road; all the others are looked at by `rest`."""
        for event in events:
            self._take(event)
            yield event
            if self.image_ns and self.image_ns[-1] - self.image_ns[0] > LOOKED_AT_S * 1e9:
                self._rotations = None
                return

    def rest(self, events: Iterator[ImuSample | BagImage]) -> None:
        """Take what `early` left."""
        for event in events:
            self._take(event)

    @property
    def pairs(self) -> RotationPairs:
        """How the camera turned, by its images."""
        return as_pairs(self._rotated)

    def _take(self, event: ImuSample | BagImage) -> None:
        if isinstance(event, ImuSample):
            self.imu_ns.append(event.stamp_ns)
            self.readings.append(np.concatenate((event.angular_velocity, event.linear_acceleration)))
            return
        self._on_progress()
        height, width = event.image.shape[:2]
        self.sizes.add((width, height))
        self.blank += is_blank(event.image.reshape(height, width, -1))
        previous_ns = self.image_ns[-1] if self.image_ns else None
        self.image_ns.append(event.stamp_ns)
        if self._rotations is not None and (previous_ns is None or event.stamp_ns > previous_ns):
            R = self._rotations.add(event.image)
            if R is not None and previous_ns is not None and event.stamp_ns - previous_ns <= _MAX_INTERVAL_NS:
                self._rotated.append((previous_ns, event.stamp_ns, Rotation.from_matrix(R).as_rotvec()))


def check_bag(
    reader: BagReader, given: RigPart | None = None, on_progress: Callable[[], None] = lambda: None
) -> list[Finding]:
    """Findings on an open bag, with what is `given` of the robot. Raises BagError where it has no images or no IMU."""
    try:
        combination = bag_rig(reader, given)
    except CalibrationError as problem:
        combination = Combination(Rig(), (), {})
        calibration = [error('calibration', str(problem), 'Mend camera_info or /tf_static, or give --rig FILE.')]
    else:
        calibration = calibration_findings(combination)
    rig = combination.rig
    streams = _Streams(rig, on_progress)
    bad: list[BagError] = []
    events = reader.events(bad.append)
    run = None
    if rig.camera is not None:
        try:
            seen_rig = dataclasses.replace(rig, camera_height=rig.camera_height or PROVISIONAL_HEIGHT)
            run = look_at_road(streams.early(events), seen_rig)
        except CalibrationError as problem:
            calibration.append(error('view', str(problem), 'Check base_to_camera and the intrinsics.'))
    streams.rest(events)
    imu_ns = np.array(streams.imu_ns, dtype=np.int64)
    readings = np.array(streams.readings).reshape(-1, 6)
    return [
        *image_findings(np.array(streams.image_ns, dtype=np.int64), streams.sizes, streams.blank, len(bad)),
        *imu_findings(imu_ns, readings, rig.R_base_imu),
        *calibration,
        *_agreement(streams.pairs, imu_ns, readings, rig),
        *([] if run is None else road_findings(run, rig)),
        *vehicle_findings(imu_ns, readings, rig.R_base_imu),
        _truth(reader),
    ]


def calibration_findings(combination: Combination) -> list[Finding]:
    """Findings on what is known of the robot: intrinsics, height, the road in view."""
    rig, sources = combination.rig, combination.sources
    found = [warning('calibration', text, 'Correct the one that is wrong.') for text in combination.reports[:-1]]
    if combination.reports and 'Nobody says' in combination.reports[-1]:
        found.append(ok('calibration', combination.reports[-1]))
    elif combination.reports:
        found.append(warning('calibration', combination.reports[-1], 'Correct the one that is wrong.'))
    for name, field in (('base_to_camera', 'T_base_camera'), ('base_to_imu', 'T_base_imu')):
        if field not in sources:
            advice = f'Publish it in /tf_static, or set {name}, unless this is right.'
            found.append(warning(name, 'nobody says where it sits, so a default holds', advice))
    if rig.camera_height is None:
        advice = 'Measure from the ground to the lens and set camera_height, or publish base_footprint in /tf_static.'
        found.append(error('camera height', 'it is not known', advice))
    else:
        found.append(ok('camera height', f'{rig.camera_height:.2f} m, from {sources.get("camera_height", "default")}'))
    if rig.camera is None:
        return [*found, error('camera', 'it is not calibrated', 'Calibrate it and record camera_info, or give --rig.')]
    camera = rig.camera
    fx, fy, cx, cy = camera.intrinsics
    across = float(np.degrees(2.0 * np.arctan(0.5 * camera.width / fx)))
    text = f'{camera.width}x{camera.height}, fx {fx:.0f}, {across:.0f} deg wide, {camera.distortion_model}'
    odd = abs(fy / fx - 1.0) > 0.1 or abs(cx / camera.width - 0.5) > 0.15 or abs(cy / camera.height - 0.5) > 0.3
    if odd:
        text = f'{text}; fy / fx {fy / fx:.2f}, middle at {cx:.0f}, {cy:.0f}'
        found.append(warning('camera', text, 'Was it calibrated with these images (size, crop, rectified)?'))
    else:
        found.append(ok('camera', text))
    if camera.is_pinhole and across > 100.0:
        advice = 'Calibrate the lens (plumb_bob, rational_polynomial, equidistant), or rectify the images.'
        found.append(warning('distortion', 'a wide lens without distortion is unusual', advice))
    try:
        near = nearest_road(camera, nominal_level(rig))
    except CalibrationError as problem:
        return [*found, error('road in view', str(problem), 'Check base_to_camera.')]
    text = f'from {near:.1f} camera heights ahead' if np.isfinite(near) else 'never'
    advice = 'Tilt the camera down, take a wider lens, or check base_to_camera.'
    return [*found, graded('road in view', text, near, NEAREST_H, advice)]


def road_findings(run: RoadRun, rig: Rig) -> list[Finding]:
    """Findings on what the road estimator made of the images."""
    advice = 'Record a drive; look at the debug image to see whether the road and the way ahead are in view.'
    if not len(run):
        return [error('odometry', 'no frame pair could be used', 'See images, IMU and gaps above.')]
    found = []
    moving = int((~run.stationary).sum())
    held = 100.0 * float(run.stationary.mean())
    if run.clear.sum() < LEAST_CLEAR:
        text = f'it was clear in {run.clear.sum()} of {moving} frame pairs in motion'
        found.append(
            error('direction of travel', text, f'Check intrinsics and base_to_imu. {advice}')
            if run.lost.sum() > 0.3 * max(moving, 1)
            else warning('direction of travel', text, advice)
        )
    else:
        seen = DirectionOfTravel.of(np.median(run.directions[run.clear], axis=0))
        nominal = rig.expected_direction
        away = float(np.degrees(np.arccos(np.clip(seen.vector @ nominal.vector, -1.0, 1.0))))
        pitch, yaw = np.degrees((seen.pitch - nominal.pitch, seen.yaw - nominal.yaw))
        text = f'{pitch:+.1f} deg below and {yaw:+.1f} deg right of what the rig says'
        fix = 'Run atvio calibrate-rig, or correct base_to_camera.'
        found.append(graded('direction of travel', text, away, DIRECTION_DEG, fix))
    lost = float(run.lost.mean())
    found.append(graded('direction lost', f'in {100 * lost:.0f} % of the frame pairs', lost, (0.05, 0.4), advice))
    unseen = sum(count for text, count in run.warnings.items() if text.startswith('the road near')) / len(run)
    text = f'not seen for over {UNSEEN_S:g} s in {100 * unseen:.0f} % of the frame pairs'
    found.append(graded('road seen', text, unseen, (0.05, 0.4), 'Check the pitch of the camera and what is before it.'))
    if TOO_FAST in run.warnings:
        text = f'it changes more than the accelerometer feels, {run.warnings[TOO_FAST]} times'
        found.append(graded('speed', text, run.warnings[TOO_FAST], (0, 3), TOO_FAST.partition(': ')[2]))
    else:
        fastest = float(np.quantile(np.abs(run.velocity[:, 0]), 0.99))
        unit = 'm/s' if rig.camera_height else 'camera heights a second'
        found.append(ok('speed', f'up to {fastest:.1f} {unit}, as the accelerometer feels it; at rest {held:.0f} %'))
    return found


def _agreement(pairs: RotationPairs, imu_ns: np.ndarray, readings: FloatArray, rig: Rig) -> list[Finding]:
    """Whether gyro and camera turn alike."""
    name = 'imu and camera'
    if rig.camera is None or len(readings) < 2:
        return []
    finite = np.isfinite(readings).all(axis=1)
    stamps_ns, first = np.unique(imu_ns[finite], return_index=True)
    try:
        fit = fit_mounting(
            pairs,
            stamps_ns + round(rig.imu_time_offset * 1e9),
            readings[finite][first, :3],
            rig.R_camera_imu,
            rig.down,
        )
    except ImuError as problem:
        text = str(problem)
        bad = 'explains' in text or 'end of the range' in text
        turning = float(np.quantile(np.linalg.norm(readings[finite][:, :3], axis=1), 0.9))
        if bad and turning > 0.1:
            advice = 'Check base_to_imu, base_to_camera, the intrinsics, and that both are stamped by one clock.'
            return [error(name, text, advice)]
        return [warning(name, text, 'Record a minute with several sharp turns to have this checked.')]
    away = float(np.degrees(rotation_angle(fit.R_camera_imu @ rig.R_camera_imu.T)))
    text = f'the gyro explains {100 * fit.explained:.0f} % of the rotation of {fit.pairs} pairs'
    mend = 'Run atvio calibrate-rig and use its rig file, or correct base_to_imu and base_to_camera.'
    found = [graded(name, text, 1.0 - fit.explained, (1.0 - LEAST_EXPLAINED, 0.6), mend)]
    sure = fit.from_nothing or away > 3.0 * np.degrees(fit.rotation_sigma[fit.observed].max(initial=0.0))
    text = f'the IMU is turned by {away:.1f} deg from what is given' if sure else 'as given, as far as the drive shows'
    found.append(graded('imu mounting', text, away if sure else 0.0, MOUNTING_DEG, mend))
    late_s = fit.lag_s - rig.gyro_lag
    text = f'the gyro lags {1e3 * fit.lag_s:.0f} ms, the rig says {1e3 * rig.gyro_lag:.0f} ms'
    fix = f'Set gyro_lag to {fit.lag_s:.3f} (a filter), or imu_time_offset to {-fit.lag_s:.3f} (a clock).'
    found.append(graded('gyro lag', text, abs(late_s), LAG_S, fix))
    return found


def _truth(reader: BagReader) -> Finding:
    try:
        truth = bag_truth(reader)
    except BagError as problem:
        return warning('ground truth', str(problem), 'Odometry does not need it.')
    if truth is None:
        return ok('ground truth', 'none: odometry does not need it, atvio evaluate does')
    return ok('ground truth', f'{len(truth)} poses on {reader.topics.ground_truth}')
