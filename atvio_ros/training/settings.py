"""The settings of a training run: what a file given to `atvio train --config` may say. The defaults are the paper's."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from atvio_ros.errors import SettingsError
from atvio_ros.network.config import AtvioConfig, variant
from atvio_ros.settings import from_mapping, load_yaml, setting
from atvio_ros.training.old_settings import refuse_old_form


@dataclass(frozen=True)
class DataSettings:
    """Which prepared sequences are trained on, and which parts of them are kept for validation."""

    folder: str = setting('', 'Folder of prepared sequences (atvio prepare); --data overrides it.')
    sequences: tuple[str, ...] = setting((), 'Sequences to train on; empty: all in the folder.')
    validation_share: float = setting(
        0.1, 'The last part of each training sequence that is kept for validation.', minimum=0.0, maximum=0.9
    )
    validation_sequences: tuple[str, ...] = setting((), 'Further sequences, kept for validation as a whole.')
    description: str = setting('', 'What the data are and whose, for the model card.')
    licence: str = setting('', 'Licence of the data (SPDX), which binds the weights, too.')


@dataclass(frozen=True)
class AugmentationSettings:
    """Changes to training windows beyond the paper; all off by default."""

    mirror: bool = setting(False, 'Mirror every other window left to right.')
    frame_skips: tuple[int, ...] = setting(
        (1,), 'Steps between the frames of a window, one drawn at random for each.', minimum=1, maximum=4
    )
    brightness: float = setting(0.0, 'Greatest change of brightness of a window [0, 1].', minimum=0.0, maximum=1.0)
    contrast: float = setting(0.0, 'Greatest relative change of contrast of a window.', minimum=0.0, maximum=1.0)
    noise: float = setting(0.0, 'Standard deviation of pixel noise, of [0, 1].', minimum=0.0, maximum=1.0)


@dataclass(frozen=True)
class LossSettings:
    """The paper's loss, equations 1 and 2 (training/loss.py)."""

    rotation_weight: float = setting(100.0, 'lambda: the weight of rotation.', minimum=0.0)
    alpha: float | None = setting(None, 'Shape of the robust loss; null: alpha and c are learned.')
    c: float = setting(0.05, 'Scale of the robust loss, or where learning it starts.', minimum=1e-6)
    separate: bool = setting(False, 'Learn alpha and c for each of the six components; then use rotation_weight 1.')


@dataclass(frozen=True)
class StageSettings:
    """One stage of training. The defaults are the paper's only stage."""

    name: str = setting('windows', 'Name of the stage, its own in a run: letters, digits, _ and -.')
    start_from: str = setting(
        'last',
        'last: the stage before goes on, Adam and all. best: the network of its best validation, loss and Adam anew.',
        choices=('last', 'best'),
    )
    epochs: int = setting(100, 'Epochs.', minimum=1)
    window: int = setting(5, 'Frames in a window: one more than frame pairs.', minimum=2, maximum=1000)
    stride: int = setting(1, 'An epoch draws one of every so many windows.', minimum=1)
    batch_size: int = setting(16, 'Windows in a batch, on each device.', minimum=1)
    learning_rate: float = setting(1e-3, 'Learning rate of Adam.', minimum=0.0)
    schedule: str = setting(
        'constant',
        'constant: the paper. cosine: falls to zero by the end of the stage.',
        choices=('constant', 'cosine'),
    )
    warm_up_steps: int = setting(0, 'Steps over which the learning rate rises from zero.', minimum=0)
    validate_every_epochs: float = setting(
        1.0,
        'Epochs between validations; fractions are allowed. The last step of a stage always validates.',
        minimum=1e-3,
    )
    select_by: str = setting(
        't_rel',
        'The best network of the stage is that with the least of this, on the validation part.',
        choices=('t_rel', 'loss'),
    )

    def __post_init__(self) -> None:
        if not re.fullmatch(r'[A-Za-z0-9_-]+', self.name):
            raise SettingsError(
                f'A stage is named {self.name!r}. Use letters, digits, _ and -: files are named after it.'
            )


@dataclass(frozen=True)
class ExportSettings:
    """What is done to the network on its way into the model file."""

    gyro_correction: float = setting(
        1.0,
        'Strength of the correction to the gyro, of that trained (networks with rotation gyro_residual).',
        minimum=0.0,
        maximum=1.0,
    )
    half: bool = setting(False, 'Store matrices and kernels as float16.')


@dataclass(frozen=True)
class TrainSettings:
    """A whole training run."""

    variant: str = setting('ca_a', 'Network to train (atvio describe --variant); `model` changes details of it.')
    model: AtvioConfig = field(default_factory=AtvioConfig)
    initial_model: str = setting(
        '', 'Model file to start from, its network settings instead of `model`; calibrate_gyro fits its gyro anew.'
    )
    normalise: bool = setting(True, 'Compute motion_std, imu_mean and imu_std from the training data.')
    calibrate_gyro: bool = setting(
        False, "Fit the gyro's lag, mounting and bias to the training data (beyond the paper; for gyro_residual)."
    )

    data: DataSettings = field(default_factory=DataSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    stages: tuple[StageSettings, ...] = setting((StageSettings(),), 'Stages of training, one after the other.')
    export: ExportSettings = field(default_factory=ExportSettings)

    betas: tuple[float, float] = setting((0.9, 0.999), 'beta_1 and beta_2 of Adam.', minimum=0.0, maximum=1.0)
    weight_decay: float = setting(3.5e-4, 'Weight decay; never on alpha and c of the loss.', minimum=0.0)
    gradient_clip: float = setting(0.0, 'Greatest norm of the gradient; 0: no limit.', minimum=0.0)
    precision: str = setting(
        '32-true', "Lightning's name of the arithmetic.", choices=('32-true', '16-mixed', 'bf16-mixed')
    )
    seed: int = setting(0, 'Draws the first weights and every random choice of training.', minimum=0)
    max_steps: int = setting(0, 'End after so many steps, schedules included; 0: no limit.', minimum=0)
    max_hours: float = setting(0.0, 'End after so many hours, wherever the schedules are; 0: no limit.', minimum=0.0)
    workers: int = setting(2, 'Processes that read data, on each device; 0: the training process does.', minimum=0)

    def __post_init__(self) -> None:
        if not self.stages:
            raise SettingsError(
                'train.stages is empty: there is nothing to do. Leave it out for the stage of the paper.'
            )
        names = [stage.name for stage in self.stages]
        for name in names:
            if names.count(name) > 1:
                raise SettingsError(f'{names.count(name)} stages are named {name!r}. Give each a name of its own.')
        if self.stages[0].start_from != 'last':
            raise SettingsError(
                f'The first stage ({names[0]}) has no stage before it, whose best network it could start from. '
                'Leave out its start_from; a model file to start from is train.initial_model.'
            )


MAY_CHANGE_ON_RESUME = ('workers', 'max_hours', 'max_steps', 'initial_model', 'export', 'validate_every_epochs')


def load_settings(path: Path, changes: Mapping[str, Any] | None = None) -> TrainSettings:
    """Settings of a YAML file, `changes` (nested like it) on top. Raises SettingsError that names what is wrong."""
    return settings_from(_merge(load_yaml(path), changes or {}))


def settings_from(values: Mapping[str, Any]) -> TrainSettings:
    """Settings from nested mappings, as in YAML. What a group leaves out has that group's default."""
    refuse_old_form(values)
    name = values.get('variant', 'ca_a')
    model_defaults = variant(name) if isinstance(name, str) else AtvioConfig()
    return from_mapping(TrainSettings, _merge({'model': dataclasses.asdict(model_defaults)}, values), 'train')


def to_yaml(settings: TrainSettings) -> str:
    """The settings as a file that load_settings reads back to the same."""
    return yaml.safe_dump(_plain(dataclasses.asdict(settings)), sort_keys=False)


def plain(settings: TrainSettings) -> dict[str, Any]:
    """The settings in lists, mappings, strings and numbers."""
    return dict(_plain(dataclasses.asdict(settings)))


def differences(old: Mapping[str, Any], new: Mapping[str, Any], where: str = 'train') -> list[str]:
    """Names of the settings in which two runs (as `plain` gives them) differ."""
    found = []
    for key in {**old, **new}:
        before, after = _by_name(old.get(key)), _by_name(new.get(key))
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += differences(before, after, f'{where}.{key}')
        elif before != after:
            found.append(f'{where}.{key}')
    return found


def may_change(name: str) -> bool:
    """Whether a run may be resumed although it differs in this setting, named as `differences` does."""
    return not set(name.split('.')[1:]).isdisjoint(MAY_CHANGE_ON_RESUME)


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def _by_name(value: Any) -> Any:
    """Stages as a mapping, others as they are: settings of stages are named train.stages.NAME.SETTING."""
    if isinstance(value, list) and value and all(isinstance(each, Mapping) and 'name' in each for each in value):
        return {each['name']: each for each in value}
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
