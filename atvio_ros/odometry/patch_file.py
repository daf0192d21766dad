"""The road branch of a model file of the network `road`: what the road estimator weighs patches by.

Read with numpy alone: the node needs nothing from pip, and safetensors comes from there. The format is 8 bytes with the
length of a header in JSON, that header, and the arrays.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atvio_ros.errors import ModelError
from atvio_ros.network.card import one_line, read_metadata
from atvio_ros.network.road_config import RoadConfig
from atvio_ros.road.learned_weights import LearnedWeights, learned_weights, shapes

_PREFIX = 'patches.'
_TYPES: dict[str, np.dtype[Any]] = {'F16': np.dtype('<f2'), 'F32': np.dtype('<f4')}
_MOST_BYTES = 1 << 26  # ours have half a megabyte


def read_patch_weights(path: Path) -> LearnedWeights:
    """Read the weights of patches from a .safetensors file. Raises ModelError: missing, damaged, of another kind."""
    if not path.is_file():
        raise ModelError(f'There is no model file {path}. Check the path.')
    if path.stat().st_size > _MOST_BYTES:
        raise ModelError(f'{path} has {path.stat().st_size} bytes, too many for a network road. Name another file.')
    try:
        header, body = _parts(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f'{path} is not a whole safetensors file ({one_line(error)}). Copy it again.') from error
    metadata = header.get('__metadata__')
    config, _ = read_metadata(path, metadata if isinstance(metadata, dict) else {}, RoadConfig)
    found = {}
    for name, shape in shapes(config.patch_width).items():
        try:
            found[name] = _array(header[_PREFIX + name], body, shape)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f'{path} does not hold {name} as its configuration says ({one_line(error)}). Copy or download it again.'
            ) from error
        if not np.isfinite(found[name]).all():
            raise ModelError(f'{path}: {name} holds numbers that are not finite. Copy it again.')
    return learned_weights(0.0 if 'road' in config.without else config.largest_log_weight, found)


def _parts(contents: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and arrays. Raises ValueError."""
    length = int.from_bytes(contents[:8], 'little')
    if len(contents) < 8 or length > len(contents) - 8:
        raise ValueError('its header is cut off')
    header = json.loads(contents[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError('its header is no JSON object')
    return header, contents[8 + length :]


def _array(entry: Any, body: bytes, shape: tuple[int, ...]) -> NDArray[Any]:
    """One array. Raises KeyError, TypeError or ValueError."""
    kind = _TYPES[entry['dtype']]
    first, after = (int(offset) for offset in entry['data_offsets'])
    if tuple(entry['shape']) != shape or after - first != math.prod(shape) * kind.itemsize:
        raise ValueError(f'it is {entry["dtype"]}{entry["shape"]}')
    if not 0 <= first <= after <= len(body):
        raise ValueError('the file is cut off')
    return np.frombuffer(body[first:after], kind).reshape(shape)
