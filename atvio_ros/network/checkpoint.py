"""Model files: safetensors with the configuration and a model card inside. Reading one never runs code from it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from atvio_ros.errors import FileError, ModelError
from atvio_ros.files import replacing
from atvio_ros.network.atvio import Atvio
from atvio_ros.network.card import ModelCard as ModelCard
from atvio_ros.network.card import metadata_of, one_line, read_metadata
from atvio_ros.network.config import MAX_STAGES, AtvioConfig
from atvio_ros.network.config import variant as variant_config

_MAX_FILE_BYTES = 1 << 30  # our largest variant is 40 MB
_MAX_FEATURES = 1 << 27  # of all stages of the visual encoder for one image: 512 MB; ours have less than a hundredth
_STORED_TYPES = (torch.float32, torch.float16)


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
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, metadata_of(config, card))
        except SafetensorError as error:
            raise FileError(
                f'{path} cannot be written: {one_line(error)}. Check the folder and the room on the disk.'
            ) from error


def load_model(path: Path, device: str | torch.device = 'cpu') -> tuple[Atvio, ModelCard]:
    """Read a model file; the model comes in evaluation mode, in float32, on `device`.

    Nothing is allocated before the file's shapes are found to be those of the network its configuration describes.
    Raises ModelError: missing, damaged, of another kind or version, or contradicting itself.
    """
    if not path.is_file():
        raise ModelError(f'There is no model file {path}. Check the path.')
    if path.stat().st_size > _MAX_FILE_BYTES:
        raise ModelError(
            f'{path} has {path.stat().st_size} bytes, too many for a model of this package. Name another model file.'
        )
    try:
        with safe_open(path, framework='pt') as file:
            config, card = read_metadata(path, file.metadata() or {}, AtvioConfig)
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            _check_shapes(path, found, _expected_shapes(path, config))
            _check_cost(path, config)
            tensors = {name: file.get_tensor(name) for name in found}
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f'{path} is not a whole safetensors file ({one_line(error)}). Copy or download it again.'
        ) from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.dtype not in _STORED_TYPES:
            raise ModelError(
                f'{path} stores {name} as {tensor.dtype}; this package reads float32 and float16.'
                ' Save it in one of these.'
            )
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


def _stored(tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if half and tensor.is_floating_point() and tensor.ndim > 1 else tensor


def _check_finite(tensors: dict[str, Tensor], what: str) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ModelError(f'{what} has weights that are not finite numbers, in {name}. Train it again.')


def _check_cost(path: Path, config: AtvioConfig) -> None:
    """Refuse small weights that ask for huge images or features: their cost shows only when the network runs."""
    stages = (dataclasses.replace(config, visual_widths=config.visual_widths[:i]) for i in range(1, 1 + MAX_STAGES))
    features = sum(math.prod(stage.feature_shape) for stage, _ in zip(stages, config.visual_widths, strict=False))
    if features > _MAX_FEATURES:
        raise ModelError(
            f'{path} describes a network of {features} features an image; {_MAX_FEATURES} are accepted.'
            ' Name another model file.'
        )


def _expected_shapes(path: Path, config: AtvioConfig) -> dict[str, tuple[int, ...]]:
    try:
        with torch.device('meta'):  # shapes only: a file may claim any width without costing memory
            return {name: tuple(tensor.shape) for name, tensor in Atvio(config).state_dict().items()}
    except (RuntimeError, OverflowError) as error:
        raise ModelError(
            f'{path} describes a network that cannot be built: {one_line(error)}. Name another model file.'
        ) from error


def _check_shapes(path: Path, found: dict[str, tuple[int, ...]], expected: dict[str, tuple[int, ...]]) -> None:
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    wrong = sorted(name for name in expected.keys() & found.keys() if expected[name] != found[name])
    if missing or extra:
        problem = f'lacks {missing[0]}' if missing else f'has {extra[0]} too many'
        count = len(missing) + len(extra)
        raise ModelError(
            f'{path} contradicts its own configuration: it {problem} ({count} such tensors). Copy or download it again.'
        )
    if wrong:
        name = wrong[0]
        raise ModelError(
            f'{path} contradicts its own configuration: {name} has shape {found[name]}, not {expected[name]}.'
            ' Copy or download it again.'
        )
