"""How much there is to learn from: refuses next to nothing, and remarks on little."""

from __future__ import annotations

import numpy as np

from atvio_ros.errors import DatasetError
from atvio_ros.types import FloatArray

LEAST_M = 1.0  # of training data; below it the truth is mostly noise
LITTLE_M = 100.0


def check_amount(training_m: float, validation_m: float, images: int) -> tuple[str, ...]:
    """Remarks on the way [m] in the training and in the validation data. Raises DatasetError on next to nothing."""
    if training_m < LEAST_M:
        raise DatasetError(
            f'The ground truth of the training data moves {_metres(training_m)} over {images} images: nothing to learn '
            'motion from. Is the robot at rest, or the topic of the ground truth the wrong one (--ground-truth-topic)? '
            'Record 100 m or more.'
        )
    remarks = []
    if training_m < LITTLE_M:
        remarks.append(f'Trained on only {_metres(training_m)}: expect it to have learned these metres by heart.')
    if validation_m < LITTLE_M:
        remarks.append(
            f'Validated on only {_metres(validation_m)}, too short for t_rel: what chose the weights says little. '
            'Keep more than 100 m in a row for validation.'
        )
    return tuple(remarks)


def way_m(poses: FloatArray) -> float:
    """Way [m] along poses (N, 4, 4), those that are NaN left out."""
    return float(np.nansum(np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)))


def _metres(way: float) -> str:
    return f'{100.0 * way:.1f} cm' if way < 1.0 else f'{way:.0f} m'
