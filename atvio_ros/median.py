"""The median of few numbers, as the odometry needs it several times for each image."""

from __future__ import annotations

import numpy as np

from atvio_ros.types import FloatArray


def median(values: FloatArray) -> float:
    """Of (N,), N > 0, as np.median gives it, in a tenth of the time; nan where one of them is."""
    ordered = np.sort(values)
    middle = len(ordered) // 2
    if np.isnan(ordered[-1]):  # they are sorted to the end
        return float('nan')
    return float(ordered[middle] if len(ordered) % 2 else 0.5 * (ordered[middle - 1] + ordered[middle]))
