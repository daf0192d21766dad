"""Where the camera moves relative to where it looks: a causal filter over the gyro's rotation and tracked corners.

The road lies along the way a vehicle moves, so this direction levels the image: a tenth of a degree is two percent of
a distance read from the road. Pitch and yaw are those of the travel, seen in the rig's nominal level axes:
x right and horizontal, y down, z ahead, `R_camera_level` (3, 3) in the camera. Roll is the rig's: what says how the
camera is mounted (`R_camera_base`) says which way is up, and the body's roll in bends is not followed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from atvio_ros.errors import ImageError
from atvio_ros.geometry import rotation_vector, rotations
from atvio_ros.median import median
from atvio_ros.road.epipolar import (
    GYRO_SIGMA_RAD,
    LEAST_CORNERS,
    TravelFit,
    fit_rotation,
    fit_travel,
    parallax_px,
    stands,
)
from atvio_ros.road.tracks import Tracks, TrackSettings, track_corners
from atvio_ros.settings import setting
from atvio_ros.types import FloatArray, ImageArray

_NOMINAL_S = 0.1  # the interval that the figures a frame are for
_MOST_UNUSUAL_RAD = math.radians(2.0)  # by which a pair teaches the usual pitch at most
_MOST_BESIDE_SIGMAS = 20.0  # beyond, a rotation beside the gyro's comes of wrong corners, not of its bias


@dataclass(frozen=True)
class TravelSettings:
    """How much is believed of what. Figures a frame are for 0.1 s and follow the time between two images."""

    start_pitch_deg: float = setting(2.0, 'How well the calibrated pitch is known at the start [deg].', minimum=0.01)
    start_yaw_deg: float = setting(1.0, 'How well the calibrated yaw is known at the start [deg].', minimum=0.01)
    drift_pitch_deg: float = setting(0.3, 'Change of the pitch beside the rotation of the gyro [deg a frame].')
    drift_yaw_deg: float = setting(0.05, 'Change of the yaw [deg a frame].', minimum=0.0)
    drift_turning: float = setting(0.3, 'Change of the yaw in a bend, as a share of the rotation of the gyro.')
    floor_pitch_deg: float = setting(0.2, 'Least sigma of a measured pitch: the car heaves [deg].', minimum=0.01)
    floor_yaw_deg: float = setting(0.4, 'Least sigma of a measured yaw [deg].', minimum=0.01)
    usual_pitch_deg: float = setting(0.7, 'Deviation of the pitch from the usual one, a frame [deg].', minimum=0.05)
    usual_s: float = setting(20.0, 'Time over which the usual pitch is learnt: its mean at first [s].', minimum=0.5)
    unusual_deg: float = setting(1.0, 'What a pitch is farther from the usual one is added to its sigma [deg].')
    gate: float = setting(3.0, 'A measurement farther from what was expected is not used [sigmas].', minimum=1.0)
    doubt: float = setting(0.1, 'Share of what a measurement is away, beyond the gate, that is added to sigma a frame.')
    least_support: float = setting(0.3, 'Share of the corners that must agree with a measurement.', maximum=1.0)
    lost_after_s: float = setting(2.0, 'In motion without a usable measurement for so long: lost [s].', minimum=0.0)
    confident_deg: float = setting(0.4, 'Largest sigma of the pitch that counts as confident [deg].')
    follow_gyro: float = setting(
        0.75, 'Share of the rotation of the gyro that is not the slope of the road.', maximum=1.0
    )
    bias_moving: float = setting(0.03, 'Share of a rotation beside the gyro that goes to its bias, a frame in motion.')
    bias_first: float = setting(2.0, 'At first, that over the time that has been seen and bias_wait_s.', minimum=0.0)
    bias_wait_s: float = setting(0.5, 'See bias_first [s].', minimum=0.0)
    bias_standing: float = setting(0.1, 'The same at a standstill.')
    gyro_sigma: float = setting(GYRO_SIGMA_RAD, 'Sigma of the rotation of the gyro over a pair [rad].', minimum=1e-6)


@dataclass(frozen=True)
class TravelEstimate:
    """Direction of travel for one pair, as seen by the camera at the second image."""

    pitch: float  # rad: the travel points so far below the nominal level axis
    yaw: float  # rad: so far to the right of it
    pitch_sigma: float  # rad
    yaw_sigma: float  # rad
    R_camera_level: FloatArray  # (3, 3): z along the travel, x horizontal, of the second image
    used: bool  # the corners' direction was taken
    moving: bool  # corners had parallax, or too few were found to tell
    corners: int
    measured: TravelFit | None  # what the corners alone say, in nominal level axes at the first image
    gyro_bias: FloatArray  # (3,) rad/s, camera axes: exp(gyro_bias * interval) @ R of the gyro is the better rotation
    confident: bool
    R_seen: FloatArray  # (3, 3) R_previous_current: the gyro's, its bias off, joined with what corners show of it
    parallax: float  # rad, median over the corners: how far they moved beyond the rotation; 0 with too few
    lost: bool  # in motion and without a usable measurement for long


class TravelDirection:
    """Feed it pairs in order. The same pairs after a start or `reset` give the same estimates.

    Corners tell the direction between two images, which is taken as seen from halfway. There a vehicle in a steady
    bend moves along a constant yaw, so the gyro does not carry yaw on. Pitch it does, in part (`follow_gyro`): a nod
    on the springs turns the camera against the road, a crest turns the road with it. On flat roads with a springy
    car all of the rotation is best, on real ones a half to three quarters.
    Where the camera stands the direction is held. The gyro's bias is learnt at rest and, slowly, in motion.
    """

    def __init__(
        self,
        K: FloatArray,
        R_camera_level: FloatArray,
        settings: TravelSettings | None = None,
        tracking: TrackSettings | None = None,
        mask: NDArray[np.bool_] | None = None,
    ) -> None:
        """Take K (3, 3) [px] of the images that follow, undistorted, and the nominal level axes in the camera.

        `mask` (H, W) is False where an image shows nothing of the world: outside the lens, or the bonnet.
        """
        self._K = np.asarray(K, dtype=np.float64)
        self._R_camera_nominal = np.asarray(R_camera_level, dtype=np.float64)
        self._settings = settings or TravelSettings()
        self._tracking = tracking or TrackSettings()
        self._mask: ImageArray | None = None
        if mask is not None and not mask.all():
            window = np.ones((self._tracking.window_px, self._tracking.window_px), np.uint8)
            self._mask = np.asarray(cv2.erode(mask.astype(np.uint8), window, borderValue=1), np.uint8)
        self.reset()

    def reset(self) -> None:
        """Forget all but the calibration: after a gap, or when the camera was moved."""
        settings = self._settings
        self._pitch = self._yaw = 0.0
        self._pitch_variance = np.radians(settings.start_pitch_deg) ** 2
        self._yaw_variance = np.radians(settings.start_yaw_deg) ** 2
        self._unseen_s = 0.0
        self._usual_pitch = self._usual_seen_s = 0.0
        self._gyro_bias = np.zeros(3)
        self._bias_seen_s = 0.0  # time over which it was learnt

    def update(
        self,
        previous: ImageArray,
        current: ImageArray,
        R_previous_current: FloatArray,
        interval_s: float,
        gyro_noise: float = 0.0,
    ) -> TravelEstimate:
        """Take two grey images (H, W), the gyro's rotation between them (3, 3), optical axes, and the time [s].

        `gyro_noise` [rad] is the deviation that its white noise gives that rotation, each axis.

        Raises ImageError unless both images are grey and of one size.
        """
        if previous.ndim != 2 or previous.shape != current.shape:
            raise ImageError(
                f'The direction of travel needs two grey images of one size, not {previous.shape} and {current.shape}. '
                'Convert them to grey and scale them alike.'
            )
        tracks = track_corners(previous, current, self._K, R_previous_current, self._tracking, self._mask)
        return self.update_from_tracks(tracks, R_previous_current, interval_s, gyro_noise)

    def update_from_tracks(
        self, tracks: Tracks, R_previous_current: FloatArray, interval_s: float, gyro_noise: float = 0.0
    ) -> TravelEstimate:
        """As `update`, from corners that were tracked already."""
        settings, N = self._settings, self._R_camera_nominal
        interval_s = max(interval_s, 1e-3)
        frames = interval_s / _NOMINAL_S
        R = rotations(self._gyro_bias * interval_s) @ R_previous_current
        gyro_sigma = float(np.hypot(settings.gyro_sigma, gyro_noise))
        fit = fit_travel(tracks, self._K, R, N, (self._pitch, self._yaw), gyro_sigma)
        moving = fit is not None or len(tracks) < LEAST_CORNERS or not stands(tracks, self._K, R)
        beside = None if moving else fit_rotation(tracks, self._K, R)
        if beside is not None:
            R = rotations(beside) @ R
        turn = rotation_vector(N.T @ R @ N)  # in level axes
        self._pitch += (settings.follow_gyro if moving else 1.0) * float(turn[0])
        if moving:
            self._pitch_variance += np.radians(settings.drift_pitch_deg) ** 2 * frames
            self._yaw_variance += np.radians(settings.drift_yaw_deg) ** 2 * frames
            self._yaw_variance += (settings.drift_turning * turn[1]) ** 2
        if fit is not None:
            self._expect_usual(frames)
        used = fit is not None and self._correct(fit, turn, frames)
        if fit is not None and used:
            self._learn_bias(fit.rotation, frames * settings.bias_moving, interval_s)
        elif beside is not None:
            self._learn_bias(beside, frames * settings.bias_standing, interval_s)
        self._unseen_s = 0.0 if used else self._unseen_s + (interval_s if moving else 0.0)
        lost = self._unseen_s > settings.lost_after_s
        yaw = self._yaw - 0.5 * float(turn[1])
        return TravelEstimate(
            pitch=self._pitch,
            yaw=yaw,
            pitch_sigma=float(np.sqrt(self._pitch_variance)),
            yaw_sigma=float(np.sqrt(self._yaw_variance)),
            R_camera_level=N @ level_axes(self._pitch, yaw),
            used=used,
            moving=moving,
            corners=len(tracks),
            measured=fit,
            gyro_bias=self._gyro_bias,
            confident=bool(not lost and self._pitch_variance < np.radians(settings.confident_deg) ** 2),
            R_seen=rotations(fit.rotation) @ R if fit is not None and used else R,
            parallax=self._parallax(tracks, R),
            lost=lost,
        )

    def _parallax(self, tracks: Tracks, R_previous_current: FloatArray) -> float:
        if len(tracks) < LEAST_CORNERS:
            return 0.0
        return float(median(parallax_px(tracks, self._K, R_previous_current)) / self._K[0, 0])

    def _expect_usual(self, frames: float) -> None:
        """A vehicle goes the way it usually goes, as its camera sees it: a weak measurement.

        Without it, corners on a vehicle ahead drew the direction with them in a bend, by 5 degrees for seconds.
        """
        noise = np.radians(self._settings.usual_pitch_deg) ** 2 / frames
        gain = self._pitch_variance / (self._pitch_variance + noise)
        self._pitch += float(gain * (self._usual_pitch - self._pitch))
        self._pitch_variance *= 1.0 - gain

    def _learn_usual(self, pitch: float, frames: float) -> None:
        """Take a measured pitch [rad]: the usual one is their mean at first."""
        self._usual_seen_s += frames * _NOMINAL_S
        share = frames * _NOMINAL_S / min(self._usual_seen_s, self._settings.usual_s)
        away = min(max(pitch - self._usual_pitch, -_MOST_UNUSUAL_RAD), _MOST_UNUSUAL_RAD)
        self._usual_pitch += share * away

    def _correct(self, fit: TravelFit, turn: FloatArray, frames: float) -> bool:
        """Weigh the measured direction against the expected one; False where it is not believed."""
        settings = self._settings
        pitch, yaw = _pitch_yaw(rotations(-0.5 * turn) @ level_axes(fit.pitch, fit.yaw)[:, 2])
        # What shakes the car is the same for pairs that follow each other quickly: a second counts, not a pair.
        if fit.support < settings.least_support:
            return False
        unusual = max(abs(pitch - self._usual_pitch) - math.radians(settings.unusual_deg), 0.0)
        self._learn_usual(pitch, frames)
        pitch_noise = np.radians(settings.floor_pitch_deg) ** 2 / frames + fit.pitch_sigma**2
        yaw_noise = np.radians(settings.floor_yaw_deg) ** 2 / frames + fit.yaw_sigma**2
        pitch_away, yaw_away = pitch - self._pitch, yaw - self._yaw
        if abs(pitch_away) > settings.gate * np.sqrt(self._pitch_variance + pitch_noise) or abs(
            yaw_away
        ) > settings.gate * np.sqrt(self._yaw_variance + yaw_noise):
            # Once it is chance; again and again, what is believed is wrong. Without this, a yaw learnt while the IMU
            # stood still kept every measurement out for 5 s at the start of a real drive.
            self._pitch_variance += (settings.doubt * pitch_away) ** 2 * frames
            self._yaw_variance += (settings.doubt * yaw_away) ** 2 * frames
            return False
        gain = self._pitch_variance / (self._pitch_variance + pitch_noise + unusual**2)
        self._pitch += float(gain * pitch_away)
        self._pitch_variance *= 1.0 - gain
        gain = self._yaw_variance / (self._yaw_variance + yaw_noise)
        self._yaw += float(gain * yaw_away)
        self._yaw_variance *= 1.0 - gain
        return True

    def _learn_bias(self, beside: FloatArray, share: float, interval_s: float) -> None:
        """Move the gyro's bias by a share of a rotation beside it (3,) [rad]; a large one comes of wrong corners.

        At first by more, as for a mean: until a bias of half a degree a second is known, it turns the trajectory.
        """
        if float(np.linalg.norm(beside)) < _MOST_BESIDE_SIGMAS * self._settings.gyro_sigma:
            self._bias_seen_s += interval_s
            share = max(
                share, self._settings.bias_first * interval_s / (self._bias_seen_s + self._settings.bias_wait_s)
            )
            self._gyro_bias = self._gyro_bias + min(share, 1.0) * beside / interval_s


def level_axes(pitch: float, yaw: float) -> FloatArray:
    """Axes (3, 3), in columns: z so far below and to the right of the old z [rad], x without roll, y down."""
    sine, cosine, sine_yaw, cosine_yaw = math.sin(pitch), math.cos(pitch), math.sin(yaw), math.cos(yaw)
    return np.array(
        [
            [cosine_yaw, -sine * sine_yaw, sine_yaw * cosine],
            [0.0, cosine, sine],
            [-sine_yaw, -sine * cosine_yaw, cosine_yaw * cosine],
        ]
    )


def _pitch_yaw(z: FloatArray) -> tuple[float, float]:
    """Inverse of level_axes: pitch and yaw [rad] of its z axis (3,)."""
    return float(np.arctan2(z[1], np.hypot(z[0], z[2]))), float(np.arctan2(z[0], z[2]))
