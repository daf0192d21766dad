"""Model files of the network `road`: safetensors with configuration and card inside, as checkpoint.py has them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from atvio_ros.errors import FileError, ModelError, SettingsError
from atvio_ros.files import replacing
from atvio_ros.network.card import FORMAT, FORMAT_VERSION, ModelCard, metadata_of
from atvio_ros.network.card import ROAD as KIND
from atvio_ros.network.road_config import RoadConfig
from atvio_ros.network.road_network import RoadNetwork
from atvio_ros.settings import from_mapping

_MOST_BYTES = 1 << 26  # ours have less than two megabytes


def is_road_file(path: Path) -> bool:
    """Whether a model file is of the network `road`; False too where it is no model file at all."""
    try:
        with safe_open(path, framework='pt') as file:
            return (file.metadata() or {}).get('network') == KIND
    except (OSError, SafetensorError):
        return False


def save_road(path: Path, model: RoadNetwork, card: ModelCard, *, half: bool = False) -> None:
    """Write `model` to `path`, under its final name only once whole; `half` stores matrices and kernels as float16.

    Raises ModelError when the weights are not finite, FileError when the file cannot be written.
    """
    tensors = {}
    for name, tensor in model.state_dict().items():
        if not tensor.isfinite().all():
            raise ModelError(f'This model has weights that are not finite numbers, in {name}. Train it again.')
        tensor = tensor.detach().cpu().contiguous()
        tensors[name] = tensor.half() if half and tensor.is_floating_point() and tensor.ndim > 1 else tensor
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, metadata_of(model.config, card))
        except SafetensorError as error:
            raise FileError(
                f'{path} cannot be written: {" ".join(str(error).split())}. Check the folder and the room on the disk.'
            ) from error


def load_road(path: Path) -> tuple[RoadNetwork, ModelCard]:
    """Read a model file; the model comes in evaluation mode and in float32.

    Raises ModelError: missing, damaged, of another kind or version, or contradicting itself.
    """
    if not path.is_file():
        raise ModelError(f'There is no model file {path}. Check the path.')
    if path.stat().st_size > _MOST_BYTES:
        raise ModelError(
            f'{path} has {path.stat().st_size} bytes, too many for a network road. Name another model file.'
        )
    try:
        with safe_open(path, framework='pt') as file:
            metadata = file.metadata() or {}
            if metadata.get('format') != FORMAT or metadata.get('network') != KIND:
                raise ModelError(f'{path} is no model file of the network road. Name another model file.')
            if metadata.get('format_version') != FORMAT_VERSION:
                raise ModelError(
                    f'{path} has model format version {metadata.get("format_version")}; this package reads '
                    f'{FORMAT_VERSION}. Use the release of atvio_ros that wrote it, or export it again.'
                )
            config = from_mapping(RoadConfig, json.loads(metadata.get('config', '')), 'config')
            card = from_mapping(ModelCard, json.loads(metadata.get('card', '')), 'card')
            with torch.device('meta'):  # shapes only: a file may claim any width without costing memory
                expected = {name: tuple(tensor.shape) for name, tensor in RoadNetwork(config).state_dict().items()}
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            if found != expected:
                wrong = sorted(set(found.items()) ^ set(expected.items()))[0]
                raise ModelError(
                    f'{path} contradicts its own configuration: {wrong[0]} {wrong[1]}. Copy or download it again.'
                )
            tensors = {name: file.get_tensor(name) for name in found}
    except (OSError, SafetensorError) as error:
        raise ModelError(f'{path} is not a whole safetensors file. Copy or download it again.') from error
    except (SettingsError, ValueError, AttributeError, RecursionError, RuntimeError) as error:
        raise ModelError(
            f'{path} describes no network of this package: {" ".join(str(error).split()).rstrip(".")}.'
            ' Take one of this version.'
        ) from error
    for name, tensor in tensors.items():
        if tensor.dtype not in (torch.float32, torch.float16) or not tensor.isfinite().all():
            raise ModelError(f'{path}: {name} holds {tensor.dtype}, or numbers that are not finite. Copy it again.')
    model = RoadNetwork(config)
    model.load_state_dict(tensors)
    return model.eval(), card


def untrained_road(seed: int = 0) -> RoadNetwork:
    """The network with random weights, in evaluation mode; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return RoadNetwork(RoadConfig()).eval()


def road_hash(model: RoadNetwork) -> str:
    """Twelve hex digits that change with any weight or setting."""
    digest = hashlib.sha256(json.dumps(dataclasses.asdict(model.config), sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
