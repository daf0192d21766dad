"""What must be said of an error model that was fitted to little data, or to data that do not tell a part of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atvio_ros.calibration.noise_fit import FEWEST_PAIRS, MotionErrors, turns_told
from atvio_ros.motion_noise import MotionNoise

BEGINNING = 'Covariances'  # of every remark: a new fit takes the place of the remarks of an old one
LEAST_S, LEAST_M = 60.0, 100.0  # of data that tell how errors grow
# Deviations beyond which no odometry of a vehicle is of use: the fit found them because nothing bounded it.
IMPLAUSIBLE = {
    'translation_floor_m': (0.5, 'm a frame pair'),
    'translation_share': (0.5, 'of the distance'),
    'translation_turn_m': (1.0, 'm/rad'),
    'scale': (0.3, 'of the distance'),
    'creep': (1.0, 'm/s'),
    'rotation_floor_rad': (0.1, 'rad a frame pair'),
    'rotation_turn': (0.5, 'of the angle'),
    'drift': (0.05, 'rad/s'),
}


def fit_remarks(drives: Sequence[MotionErrors], noise: MotionNoise) -> tuple[str, ...]:
    """Remarks on `noise`, fitted to these errors, a sentence or two each; none where there is nothing to say."""
    pairs = sum(len(drive.errors) for drive in drives)
    if not noise.calibrated:
        return (
            f'{BEGINNING} are NOT calibrated: {pairs} frame pairs with ground truth are fewer than the {FEWEST_PAIRS} '
            'that a fit needs, so the default of 5 % of the distance stands. Keep more data for validation, or run '
            '`atvio calibrate-covariance`.',
        )
    seconds = float(sum(drive.interval_s.sum() for drive in drives))
    metres = float(sum(drive.distance_m.sum() for drive in drives))
    remarks = []
    if seconds < LEAST_S or metres < LEAST_M:
        remarks.append(
            f'{BEGINNING} are fitted to only {seconds:.0f} s over {metres:.0f} m: how errors grow beyond that is a '
            f'guess. Give drives of {LEAST_S:.0f} s and {LEAST_M:.0f} m or more.'
        )
    if not turns_told(drives):
        remarks.append(f'{BEGINNING}: the drives hardly turn, so errors in turns are not known, and left out.')
    for name, (limit, unit) in IMPLAUSIBLE.items():
        worst = float(np.max(getattr(noise, name)))
        if worst > limit:
            remarks.append(
                f'{BEGINNING}: {name} came out as {worst:.3g} {unit}, more than useful odometry errs by. The drives '
                'do not tell it, or the network is lost on them: do not fuse with these covariances.'
            )
    return tuple(remarks)
