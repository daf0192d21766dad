"""The estimators there are, by name. What runs a network is imported for the network only."""

from __future__ import annotations

from pathlib import Path

from atvio_ros.errors import SettingsError
from atvio_ros.odometry.pipeline import Estimator
from atvio_ros.odometry.road_estimator import RoadEstimator

ESTIMATORS = ('road', 'network')


def choose_estimator(
    kind: str = '', model: Path | None = None, device: str = 'auto', threads: int = 1, backend: str = 'auto'
) -> Estimator:
    """`road` or `network`; '' takes the network where a model file is named and the road otherwise.

    The network without a model file is the shipped one; `device`, `threads` and `backend` are its alone. Raises
    SettingsError on another kind, or on a model file for the road, and what load_network raises.
    """
    if kind not in ('', *ESTIMATORS):
        raise SettingsError(f'estimator must be {" or ".join(ESTIMATORS)}, not {kind!r}.')
    if kind == 'road' and model is not None:
        raise SettingsError('The road estimator takes no model file. Leave the model out, or choose network.')
    if kind == 'road' or (not kind and model is None):
        return RoadEstimator()
    from atvio_ros.odometry.loading import load_network

    return load_network(model, device, threads, backend)
