"""The road branch of a model file of the network `road`, without PyTorch: what the road estimator weighs patches by."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from atvio_ros.errors import ModelError
from atvio_ros.network.card import one_line, read_metadata
from atvio_ros.network.road_config import RoadConfig
from atvio_ros.road.learned_weights import LearnedWeights, learned_weights, shapes

_PREFIX = 'patches.'


def read_patch_weights(path: Path) -> LearnedWeights:
    """Read the weights of patches from a .safetensors file.

    Raises ModelError: missing, damaged, of another kind; and ModuleNotFoundError where safetensors is not installed.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ModelError(f'There is no model file {path}. Check the path.')
    try:
        with safe_open(path, framework='np') as file:
            config, _ = read_metadata(path, file.metadata() or {}, RoadConfig)
            expected = shapes(config.patch_width)
            held = set(file.keys())
            if any(_PREFIX + name not in held for name in expected):
                raise ModelError(f'{path} lacks weights of patches. Copy or download it again.')
            found = {name: file.get_tensor(_PREFIX + name) for name in expected}
    except (OSError, SafetensorError, TypeError) as error:
        raise ModelError(f'{path} is not a whole safetensors file ({one_line(error)}). Copy it again.') from error
    for name, tensor in found.items():
        if tensor.shape != expected[name] or tensor.dtype not in (np.float32, np.float16):
            raise ModelError(f'{path}: {name} is {tensor.dtype}{list(tensor.shape)}. Copy or download it again.')
        if not np.isfinite(tensor).all():
            raise ModelError(f'{path}: {name} holds numbers that are not finite. Copy it again.')
    return learned_weights(0.0 if 'road' in config.without else config.largest_log_weight, found)
