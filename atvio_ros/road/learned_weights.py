"""How much each patch of the road counts, by weights that were learned: network/patch_weights.py in numpy.

It is so small (1,800 weights) that numpy runs it in a twentieth of a millisecond, and the default estimator needs no
framework for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atvio_ros.road.patch_figures import FIGURES

Values = NDArray[np.float32]


@dataclass(frozen=True)
class LearnedWeights:
    """Two layers of C channels over the figures of a patch, beside the mean of the first one over all patches."""

    largest_log_weight: float
    tensors: Mapping[str, Values]  # by the names of network/patch_weights.py, as `shapes` has them

    def __call__(self, figures: Values) -> Values:
        """Weights (P,) of P patches with figures (P, FIGURES)."""
        if not len(figures):
            return np.zeros(0, np.float32)
        tensors = self.tensors
        each = np.maximum(figures @ tensors['each.0.weight'].T + tensors['each.0.bias'], 0.0)  # (P, C)
        of_each, of_mean = np.split(tensors['beside.0.weight'], 2, axis=1)  # (C, C) each
        beside = each @ of_each.T + (of_mean @ each.mean(axis=0) + tensors['beside.0.bias'])
        said = np.maximum(beside, 0.0) @ tensors['beside.2.weight'][0] + tensors['beside.2.bias'][0]  # (P,)
        return np.asarray(np.exp(self.largest_log_weight * np.tanh(said)), dtype=np.float32)

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with any weight."""
        found = hashlib.sha256(repr(float(self.largest_log_weight)).encode())
        for name in sorted(self.tensors):
            found.update(np.ascontiguousarray(self.tensors[name]).tobytes())
        return found.hexdigest()[:12]


def shapes(width: int) -> dict[str, tuple[int, ...]]:
    """Of the tensors of layers of `width` channels."""
    return {
        'each.0.weight': (width, FIGURES),
        'each.0.bias': (width,),
        'beside.0.weight': (width, 2 * width),
        'beside.0.bias': (width,),
        'beside.2.weight': (1, width),
        'beside.2.bias': (1,),
    }


def learned_weights(largest_log_weight: float, tensors: Mapping[str, NDArray[Any]]) -> LearnedWeights:
    """In float32, whatever they are stored as."""
    return LearnedWeights(largest_log_weight, {name: np.asarray(t, dtype=np.float32) for name, t in tensors.items()})
