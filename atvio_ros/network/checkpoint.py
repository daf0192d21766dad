"""Model files: safetensors with the configuration and a model card inside. Reading one never runs code from it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from atvio_ros.errors import FileError, ModelError, SettingsError
from atvio_ros.files import replacing
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.network.atvio import Atvio
from atvio_ros.network.config import MAX_STAGES, AtvioConfig
from atvio_ros.network.config import variant as variant_config
from atvio_ros.resources import find_resource
from atvio_ros.settings import from_mapping, setting

FORMAT = 'atvio_ros'
FORMAT_VERSION = '1'
DEFAULT_MODEL_NAME = 'ca_a_gyro.safetensors'

_MAX_FILE_BYTES = 1 << 30  # our largest variant is 40 MB
_MAX_METADATA_BYTES = 1 << 20  # of configuration and card together; ours have some kilobytes
_MAX_FEATURES = 1 << 27  # of all stages of the visual encoder for one image: 512 MB; ours have less than a hundredth
_STORED_TYPES = (torch.float32, torch.float16)


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


def save_model(path: Path, model: Atvio, card: ModelCard, *, half: bool = False) -> None:
    """Write `model` to `path` (safetensors), under its final name only once whole.

    `half` stores matrices and kernels as float16; vectors (biases, normalisation statistics) stay float32. Raises
    ModelError when the weights are not finite or too large for float16, FileError when the file cannot be written.
    """
    tensors = {name: _stored(tensor, half) for name, tensor in model.state_dict().items()}
    _check_finite(tensors, 'This model')
    _write(path, tensors, model.config, card)


def save_with_card(path: Path, source: Path, card: ModelCard) -> None:
    """Write the model file `source` to `path`, which may be the same, with another card and the very same weights.

    Raises ModelError as load_model does, FileError when the file cannot be written.
    """
    model, _ = load_model(source)
    with safe_open(source, framework='pt') as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    _write(path, tensors, model.config, card)


def _write(path: Path, tensors: dict[str, Tensor], config: AtvioConfig, card: ModelCard) -> None:
    metadata = {
        'format': FORMAT,
        'format_version': FORMAT_VERSION,
        'config': json.dumps(dataclasses.asdict(config)),
        'card': json.dumps(dataclasses.asdict(card)),
    }
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, metadata)
        except SafetensorError as error:
            raise FileError(f'{path} cannot be written: {_one_line(error)}.') from error


def load_model(path: Path, device: str | torch.device = 'cpu') -> tuple[Atvio, ModelCard]:
    """Read a model file; the model comes in evaluation mode, in float32, on `device`.

    Nothing is allocated before the file's shapes are found to be those of the network its configuration describes.
    Raises ModelError: missing, damaged, of another kind or version, or contradicting itself.
    """
    if not path.is_file():
        raise ModelError(f'There is no model file {path}.')
    if path.stat().st_size > _MAX_FILE_BYTES:
        raise ModelError(f'{path} has {path.stat().st_size} bytes, too many for a model of this package.')
    try:
        with safe_open(path, framework='pt') as file:
            config, card = _read_metadata(path, file.metadata() or {})
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            _check_shapes(path, found, _expected_shapes(path, config))
            _check_cost(path, config)
            tensors = {name: file.get_tensor(name) for name in found}
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f'{path} is not a whole safetensors file ({_one_line(error)}). Copy or download it again.'
        ) from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.dtype not in _STORED_TYPES:
            raise ModelError(f'{path} stores {name} as {tensor.dtype}; this package reads float32 and float16.')
    _check_finite(tensors, str(path))
    model = Atvio(config)
    model.load_state_dict(tensors)
    return model.to(device).eval(), card


def untrained_model(variant: str = 'ca_a', seed: int = 0) -> Atvio:
    """A named variant with random weights, in evaluation mode; the same for the same seed.

    The caller's random state is left alone. Raises SettingsError on an unknown name.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Atvio(variant_config(variant)).eval()


def model_hash(model: Atvio) -> str:
    """Twelve hex digits that change with any weight or setting: identifies the model that made a result."""
    digest = hashlib.sha256(json.dumps(dataclasses.asdict(model.config), sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def default_model_path() -> Path | None:
    """The shipped model; None when there is none."""
    return find_resource(f'models/{DEFAULT_MODEL_NAME}')


def _stored(tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if half and tensor.is_floating_point() and tensor.ndim > 1 else tensor


def _check_finite(tensors: dict[str, Tensor], what: str) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ModelError(f'{what} has weights that are not finite numbers, in {name}. Train it again.')


def _read_metadata(path: Path, metadata: dict[str, str]) -> tuple[AtvioConfig, ModelCard]:
    size = sum(len(key) + len(value) for key, value in metadata.items())
    if size > _MAX_METADATA_BYTES:
        raise ModelError(f'{path} has {size} characters of metadata; at most {_MAX_METADATA_BYTES} are accepted.')
    if metadata.get('format') != FORMAT:
        raise ModelError(f'{path} is a safetensors file of something else: its metadata lack format: {FORMAT}.')
    if 'network' in metadata:
        raise ModelError(
            f'{path} holds a network {metadata["network"]}, none of the paper: it cannot be used here. It runs in the '
            'odometry (node, run, replay, evaluate).'
        )
    version = metadata.get('format_version')
    if version != FORMAT_VERSION:
        raise ModelError(
            f'{path} has model format version {version}; this package reads version {FORMAT_VERSION}. '
            'Use the release of atvio_ros that wrote it, or export it again.'
        )
    try:
        config = from_mapping(AtvioConfig, _json_object(metadata, 'config'), 'config')
        card = from_mapping(ModelCard, _json_object(metadata, 'card'), 'card')
    except (SettingsError, ValueError, RecursionError) as error:
        raise ModelError(f'{path} describes no network of this package: {_one_line(error)}') from error
    return config, card


def _check_cost(path: Path, config: AtvioConfig) -> None:
    """Refuse small weights that ask for huge images or features: their cost shows only when the network runs."""
    stages = (dataclasses.replace(config, visual_widths=config.visual_widths[:i]) for i in range(1, 1 + MAX_STAGES))
    features = sum(math.prod(stage.feature_shape) for stage, _ in zip(stages, config.visual_widths, strict=False))
    if features > _MAX_FEATURES:
        raise ModelError(f'{path} describes a network of {features} features an image; {_MAX_FEATURES} are accepted.')


def _json_object(metadata: dict[str, str], key: str) -> dict[str, Any]:
    value = json.loads(metadata.get(key, ''))
    if not isinstance(value, dict):
        raise ValueError(f'its {key} is not a JSON object')
    return value


def _expected_shapes(path: Path, config: AtvioConfig) -> dict[str, tuple[int, ...]]:
    try:
        with torch.device('meta'):  # shapes only: a file may claim any width without costing memory
            return {name: tuple(tensor.shape) for name, tensor in Atvio(config).state_dict().items()}
    except (RuntimeError, OverflowError) as error:
        raise ModelError(f'{path} describes a network that cannot be built: {_one_line(error)}.') from error


def _check_shapes(path: Path, found: dict[str, tuple[int, ...]], expected: dict[str, tuple[int, ...]]) -> None:
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    wrong = sorted(name for name in expected.keys() & found.keys() if expected[name] != found[name])
    if missing or extra:
        problem = f'lacks {missing[0]}' if missing else f'has {extra[0]} too many'
        count = len(missing) + len(extra)
        raise ModelError(f'{path} contradicts its own configuration: it {problem} ({count} such tensors).')
    if wrong:
        name = wrong[0]
        raise ModelError(
            f'{path} contradicts its own configuration: {name} has shape {found[name]}, not {expected[name]}.'
        )


def _one_line(error: BaseException) -> str:
    return ' '.join(str(error).split())
