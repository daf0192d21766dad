"""What a model file says of itself, without PyTorch: format, configuration, card; and where the shipped one lies."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from atvio_ros.errors import ModelError, SettingsError
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.network.config import AtvioConfig
from atvio_ros.network.road_config import RoadConfig
from atvio_ros.resources import find_resource
from atvio_ros.settings import from_mapping, setting

FORMAT = 'atvio_ros'
FORMAT_VERSION = '1'
ROAD = 'road'  # metadata `network` of a file that is none of the paper's
DEFAULT_MODEL_NAME = 'road.safetensors'

_MAX_METADATA_BYTES = 1 << 20  # of configuration and card together; ours have some kilobytes

Config = TypeVar('Config', AtvioConfig, RoadConfig)


@dataclass(frozen=True)
class Parent:
    """A model whose weights others began from (network/lineage.py)."""

    name: str = setting('', 'Name of its variant.')
    hash: str = setting('', 'Its model_hash.')
    licence: str = setting('', 'SPDX expression of its licence; empty: not stated.')
    training_data: str = setting('', 'What it was trained on.')


@dataclass(frozen=True)
class ModelCard:
    """Where the weights of a model file come from."""

    trained: bool = setting(False, 'False: random weights, good for trying the machinery only.')
    training_data: str = setting('', 'What the weights were trained on, with its licence.')
    recipe: str = setting('', 'How: the command, or the settings as YAML.')
    seed: int | None = setting(None, 'Random seed of the training run.')
    commit: str = setting('', 'Commit of this package that trained it.')
    figures: tuple[tuple[str, float], ...] = setting((), 'Measured figures: (name with its unit, value).')
    noise: MotionNoise = dataclasses.field(default_factory=MotionNoise)  # how far its motions are off, for covariances
    licence: str = setting('', 'SPDX expression of the licence of the weights; empty: not stated.')
    parents: tuple[Parent, ...] = setting((), 'Models that the weights descend from, the nearest first.')
    notes: tuple[str, ...] = setting((), 'What a user of the model should know of its training, a sentence each.')


def default_model_path() -> Path | None:
    """The shipped model; None when there is none."""
    return find_resource(f'models/{DEFAULT_MODEL_NAME}')


def metadata_of(config: AtvioConfig | RoadConfig, card: ModelCard) -> dict[str, str]:
    """The metadata of a model file."""
    return {
        'format': FORMAT,
        'format_version': FORMAT_VERSION,
        **({'network': ROAD} if isinstance(config, RoadConfig) else {}),
        'config': json.dumps(dataclasses.asdict(config)),
        'card': json.dumps(dataclasses.asdict(card)),
    }


def read_metadata(path: Path, metadata: dict[str, str], kind: type[Config]) -> tuple[Config, ModelCard]:
    """Configuration and card of the file `path`, which must be of the kind of network that `kind` configures.

    Raises ModelError: of another kind, program or version, or contradicting itself.
    """
    size = sum(len(key) + len(value) for key, value in metadata.items())
    if size > _MAX_METADATA_BYTES:
        raise ModelError(
            f'{path} has {size} characters of metadata; at most {_MAX_METADATA_BYTES} are accepted.'
            ' Name another model file.'
        )
    if metadata.get('format') != FORMAT:
        raise ModelError(
            f'{path} is a {path.suffix[1:]} file of something else: its metadata lack format: {FORMAT}.'
            ' Name another model file.'
        )
    if (network := metadata.get('network')) != (ROAD if kind is RoadConfig else None):
        raise ModelError(
            f'{path} holds a network {network}, none of the paper: it cannot be used here. It runs in the '
            'odometry (node, run, replay, evaluate).'
        )
    version = metadata.get('format_version')
    if version != FORMAT_VERSION:
        raise ModelError(
            f'{path} has model format version {version}; this package reads version {FORMAT_VERSION}. '
            'Use the release of atvio_ros that wrote it, or export it again.'
        )
    try:
        config = from_mapping(kind, _json_object(metadata, 'config'), 'config')
        card = from_mapping(ModelCard, _json_object(metadata, 'card'), 'card')
    except (SettingsError, ValueError, RecursionError) as error:
        raise ModelError(
            f'{path} describes no network of this package: {one_line(error).rstrip(".")}. Take one of this version.'
        ) from error
    return config, card


def one_line(error: BaseException) -> str:
    """The words of an error of a library, in one line."""
    return ' '.join(str(error).split())


def _json_object(metadata: dict[str, str], key: str) -> dict[str, Any]:
    value = json.loads(metadata.get(key, ''))
    if not isinstance(value, dict):
        raise ValueError(f'its {key} is not a JSON object')
    return value
