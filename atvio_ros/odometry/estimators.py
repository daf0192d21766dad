"""The estimators there are, by name. PyTorch is imported for the network only."""

from __future__ import annotations

from pathlib import Path

from atvio_ros.errors import SettingsError
from atvio_ros.odometry.pipeline import Estimator
from atvio_ros.odometry.road_estimator import RoadEstimator

ESTIMATORS = ('road', 'network')


def choose_estimator(kind: str = '', model: Path | None = None, device: str = 'auto', threads: int = 1) -> Estimator:
    """`road` or `network`; '' takes the network where a model file is named and the road otherwise.

    The network without a model file is the shipped one. Raises SettingsError on another kind, or on a model file for
    the road, and ModelError as load_estimator.
    """
    if kind not in ('', *ESTIMATORS):
        raise SettingsError(f'estimator must be {" or ".join(ESTIMATORS)}, not {kind!r}.')
    if kind == 'road' and model is not None:
        raise SettingsError('The road estimator takes no model file. Leave the model out, or choose network.')
    if kind == 'road' or (not kind and model is None):
        return RoadEstimator()
    from atvio_ros.odometry.estimator import load_estimator

    return load_estimator(model, device, threads)
