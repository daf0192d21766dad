"""Normalised correlation of patches that lie side by side with every place along the way of another view.

OpenCV's matchTemplate finds the same, one patch after the other; together they take half of the time.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_LEAST_VARIANCE = 1e-6  # grey levels squared: beyond rounding

Values = NDArray[np.float32]


class Likeness(NamedTuple):
    """Of P patches at N places."""

    correlation: Values  # (P, N), -1 to 1; 0 where there is no contrast
    contrast: Values  # (P,) standard deviation of each patch


def likeness(older: Values, newer: Values, columns: tuple[tuple[int, int], ...]) -> Likeness:
    """Correlate patches, all rows of `newer` (R, W) and these columns, with `older` (N + R - 1, W) at each row.

    Columns are those of neighbours, from left to right.
    """
    left, right = columns[0][0], columns[-1][1]
    starts, widths, membership = _strips(columns)
    older, newer = older[:, left:right], newer[:, left:right]
    rows, count = len(newer), len(older) - len(newer) + 1
    pixels = rows * widths
    means = np.add.reduceat(newer.sum(axis=0), starts) / pixels
    centred = newer - np.repeat(means, widths).astype(np.float32)
    variance = np.add.reduceat((centred * centred).sum(axis=0), starts) / pixels
    sums, squares = _over_windows(np.stack((older, older * older)) @ membership, rows) / pixels
    spread = squares - sums * sums  # (N, P)
    products = np.empty((len(columns), len(older), rows), np.float32)
    for product, start, width in zip(products, starts.tolist(), widths.tolist(), strict=True):
        np.matmul(older[:, start : start + width], centred[:, start : start + width].T, out=product)
    step_p, step_n, step_r = products.strides  # a patch at a place: row r of it on row n + r of the older view
    shared = np.ndarray((len(columns), count, rows), np.float32, products, 0, (step_p, step_n, step_n + step_r))
    together = shared.sum(axis=2) / pixels[:, None]
    scale = np.sqrt(np.maximum(spread.T, 0.0) * variance[:, None])
    correlation = np.divide(together, scale, out=np.zeros_like(scale), where=scale > _LEAST_VARIANCE)
    return Likeness(correlation.astype(np.float32), np.sqrt(variance).astype(np.float32))


@functools.lru_cache(maxsize=256)
def _strips(columns: tuple[tuple[int, int], ...]) -> tuple[NDArray[np.intp], NDArray[np.intp], Values]:
    """Where P strips begin (P,), how wide they are (P,), and which columns are theirs (W, P): 1, others 0."""
    starts = np.array([first - columns[0][0] for first, _ in columns], dtype=np.intp)
    widths = np.array([last - first for first, last in columns], dtype=np.intp)
    return starts, widths, np.repeat(np.eye(len(columns), dtype=np.float32), widths, axis=0)


def _over_windows(values: Values, rows: int) -> NDArray[np.float64]:
    """Sums (..., N, P) over each `rows` neighbouring rows of values (..., N + rows - 1, P)."""
    total = np.zeros((*values.shape[:-2], values.shape[-2] + 1, values.shape[-1]))
    np.cumsum(values, axis=-2, dtype=np.float64, out=total[..., 1:, :])
    return np.asarray(total[..., rows:, :] - total[..., :-rows, :])
