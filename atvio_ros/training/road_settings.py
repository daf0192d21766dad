"""The settings of a training run of the network `road`: what its file given to `atvio train --config` may say."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from atvio_ros.network.road_config import RoadConfig
from atvio_ros.settings import from_mapping, load_yaml, setting
from atvio_ros.training.settings import DataSettings


@dataclass(frozen=True)
class PatchStage:
    """First stage: the weights of patches, learned through the filter."""

    steps: int = setting(600, 'Steps; 0: the weights stay as they are.', minimum=0)
    window: int = setting(20, 'Pairs in a window.', minimum=2)
    batch_size: int = setting(4, 'Windows in a batch.', minimum=1)
    learning_rate: float = setting(3e-3, 'Learning rate of Adam; it falls to zero as a cosine.', minimum=0.0)
    warm_up_steps: int = setting(20, 'Steps over which the learning rate rises.', minimum=0)
    validate_every: int = setting(100, 'Steps between validations.', minimum=1)
    from_truth: float = setting(0.5, 'Share of windows that begin with the true speed.', minimum=0.0, maximum=1.0)
    dropped: float = setting(0.1, 'Share of patches left out at random.', minimum=0.0, maximum=0.9)


@dataclass(frozen=True)
class WindowStage:
    """Second stage: what comes after the filter learns from windows, its memory carried on."""

    steps: int = setting(2000, 'Steps; 0: untrained.', minimum=0)
    window: int = setting(32, 'Pairs in a window.', minimum=2)
    batch_size: int = setting(8, 'Windows in a batch.', minimum=1)
    learning_rate: float = setting(1e-3, 'Learning rate of Adam; it falls to zero as a cosine.', minimum=0.0)
    warm_up_steps: int = setting(30, 'Steps over which the learning rate rises.', minimum=0)
    validate_every: int = setting(250, 'Steps between validations.', minimum=1)
    blind: float = setting(0.3, 'Share of training drives run once more with the road lost now and then.', maximum=1.0)
    black: float = setting(0.3, 'Share of these losses in which nothing at all is seen.', minimum=0.0, maximum=1.0)
    numb: float = setting(0.3, 'Share of them in which the accelerometer tells nothing.', minimum=0.0, maximum=1.0)
    drift_weight: float = setting(0.2, 'Weight of the error of the way over a whole window.', minimum=0.0)
    drift_share: float = setting(0.02, 'Error of that way, as a share, that counts one.', minimum=1e-4)


@dataclass(frozen=True)
class RoadTrainSettings:
    """A whole training run of the network `road`."""

    variant: str = setting('road', 'Network to train.', choices=('road',))
    model: RoadConfig = field(default_factory=RoadConfig)
    initial_model: str = setting('', 'Model file to start from, its network settings instead of `model`.')
    data: DataSettings = field(default_factory=DataSettings)
    patches: PatchStage = field(default_factory=PatchStage)
    windows: WindowStage = field(default_factory=WindowStage)
    weight_decay: float = setting(1e-4, 'Weight decay.', minimum=0.0)
    gradient_clip: float = setting(5.0, 'Greatest norm of the gradient; 0: no limit.', minimum=0.0)
    half: bool = setting(True, 'Store matrices and kernels of the model file as float16.')
    seed: int = setting(0, 'Draws the first weights and every random choice of training.', minimum=0)


def load_road_settings(path: Path, changes: Mapping[str, Any] | None = None) -> RoadTrainSettings:
    """Settings of a YAML file, `changes` (nested like it) on top. Raises SettingsError that names what is wrong."""
    values = load_yaml(path)
    for key, change in (changes or {}).items():
        old = values.get(key)
        values[key] = {**old, **change} if isinstance(old, Mapping) and isinstance(change, Mapping) else change
    return from_mapping(RoadTrainSettings, values, 'train')


def is_road(path: Path) -> bool:
    """Whether a settings file is of the network `road`. Raises SettingsError where it cannot be read."""
    return load_yaml(path).get('variant') == 'road'


def as_yaml(settings: RoadTrainSettings) -> str:
    """The settings as a file that load_road_settings reads back to the same."""
    return yaml.safe_dump(_plain(dataclasses.asdict(settings)), sort_keys=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
