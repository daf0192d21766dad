"""What the texture of a patch of the road looks like, in three figures; all patches of a band at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from atvio_ros.types import FloatArray

TEXTURES = 3
_LEAST_CONTRAST, _LEAST_STEP, _LEAST_PEAK = 0.05, 0.02, 0.1


def textures(shown: NDArray[np.float32], columns: Sequence[tuple[int, int]]) -> FloatArray:
    """(P, TEXTURES) of P patches, each all rows of `shown` (Z, X), band-passed, between two columns.

    Logarithms of the contrast, of how much rougher it is along than across the way, and of its peak over its contrast.
    """
    if not columns:
        return np.zeros((0, TEXTURES))
    size = np.abs(shown)
    along = _sums(cv2.absdiff(shown[1:], shown[:-1]))
    across = _sums(cv2.absdiff(shown[:, 1:], shown[:, :-1]))
    plain, squared, highest = _sums(shown), _sums(shown * shown), size.max(axis=0)
    rows = len(shown)
    left, right = np.array(columns).T
    wide = right - left
    count = rows * wide
    mean = (plain[right] - plain[left]) / count
    contrast = np.sqrt(np.maximum((squared[right] - squared[left]) / count - mean**2, 0.0)) + _LEAST_CONTRAST
    rough_along = (along[right] - along[left]) / np.maximum((rows - 1) * wide, 1)
    rough_across = (across[right - 1] - across[left]) / np.maximum(rows * (wide - 1), 1)
    peak = np.array([highest[first:after].max() for first, after in columns])
    rougher = (rough_along + _LEAST_STEP) / (rough_across + _LEAST_STEP)
    return np.asarray(np.log(np.column_stack((contrast, rougher, peak / contrast + _LEAST_PEAK))))


def _sums(values: NDArray[Any]) -> FloatArray:
    """Sums of all columns before each one, and of all: (X + 1,)."""
    return np.concatenate(([0.0], np.cumsum(values.sum(axis=0, dtype=np.float64))))
