"""The estimators there are, by name. What runs a network is imported for the network only."""

from __future__ import annotations

from pathlib import Path

from atvio_ros.errors import SettingsError
from atvio_ros.network.card import DEFAULT_MODEL_NAME, default_model_path
from atvio_ros.odometry.patch_file import read_patch_weights
from atvio_ros.odometry.pipeline import Estimator
from atvio_ros.odometry.road_estimator import RoadEstimator

ESTIMATORS = ('road', 'geometry', 'network')


def choose_estimator(
    kind: str = '', model: Path | None = None, device: str = 'auto', threads: int = 1, backend: str = 'auto'
) -> Estimator:
    """`road`, `geometry` or `network`; '' takes the network where a model file is named and the road otherwise.

    The road estimator weighs what patches of the road say by weights that were learned, those of `model` (a network
    `road`, .safetensors) or of the shipped one; where none is shipped all count alike as for `geometry`, and its name
    says so. The network without a model file is the shipped one; `device`, `threads`
    and `backend` are its alone. Raises SettingsError on another kind, or on a model file for `geometry`, ModelError,
    and what load_network raises.
    """
    if kind not in ('', *ESTIMATORS):
        raise SettingsError(f'estimator must be {", ".join(ESTIMATORS[:-1])} or {ESTIMATORS[-1]}, not {kind!r}.')
    if kind == 'geometry':
        if model is not None:
            raise SettingsError('The estimator geometry takes no model file. Leave the model out, or choose road.')
        return RoadEstimator()
    if kind == 'road' or (not kind and model is None):
        return _road(model)
    from atvio_ros.odometry.loading import load_network

    return load_network(model, device, threads, backend)


def _road(model: Path | None) -> RoadEstimator:
    path = model or default_model_path()
    if path is None:
        return RoadEstimator(kind='road', name=f'road (nothing learned: there is no {DEFAULT_MODEL_NAME})')
    weights = read_patch_weights(path)
    return RoadEstimator(weights=weights, kind='road', name=f'road ({weights.digest})')
