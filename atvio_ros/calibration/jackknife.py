"""Standard errors by leaving out one part of a recording after the other: neighbouring errors go together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from atvio_ros.types import FloatArray

PARTS = 10


def jackknife(statistic: Callable[[NDArray[np.bool_]], FloatArray], count: int, parts: int = PARTS) -> FloatArray:
    """Standard error of what `statistic` makes of `count` rows, given which (count,) to use; of its shape."""
    part = np.arange(count) * parts // max(count, 1)
    without = np.array([statistic(part != left_out) for left_out in range(parts)])
    return np.asarray(np.sqrt((parts - 1) * without.var(axis=0)))
