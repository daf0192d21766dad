"""Names and sizes of what goes into and comes out of exported networks. All sizes are fixed: one pair at a time.

The memory of the LSTM goes in as `hidden` and `cell` and comes out as `next_hidden` and `next_cell`. An input that a
variant has no use for is not in its graph. All are float32 but images, which are uint8.
"""

from __future__ import annotations

from pathlib import Path

from atvio_ros.network.config import AtvioConfig
from atvio_ros.network.road_config import AROUND, BANDS, FIGURES, LEVEL_SIZE, MOST_PATCHES, SCALARS, RoadConfig
from atvio_ros.preprocessing import IMU_SAMPLES

OPSET = 17
COLOURS = 3  # of images, whatever the network takes: grey ones are repeated
PATCH_OUTPUTS = ('weights',)
ROAD_OUTPUTS = ('motion', 'log_sigma', 'attention', 'next_hidden', 'next_cell')


def pair_inputs(config: AtvioConfig) -> dict[str, tuple[int, ...]]:
    """Of a network of the paper."""
    memory = (config.lstm_layers, 1, config.lstm_hidden)
    inputs = {
        'images': (1, 2, COLOURS, config.image_height_px, config.image_width_px),  # uint8
        'imu': (1, 1, IMU_SAMPLES, 6),  # rad/s, m/s^2
        'interval_s': (1, 1),
        'hidden': memory,
        'cell': memory,
    }
    if config.rotation == 'gyro_residual':
        inputs |= {'R_camera_imu': (3, 3), 'gyro_bias': (3,)}
    return inputs


def pair_outputs(config: AtvioConfig) -> dict[str, tuple[int, ...]]:
    """Of a network of the paper: motion [m, rad], attention to vision and inertia, memory."""
    memory = (config.lstm_layers, 1, config.lstm_hidden)
    return {'motion': (1, 1, 6), 'attention': (1, 1, 2), 'next_hidden': memory, 'next_cell': memory}


def patch_inputs() -> dict[str, tuple[int, ...]]:
    """Of the road branch of the network `road`; see patch_weights.py."""
    return {'figures': (1, MOST_PATCHES, FIGURES), 'there': (1, MOST_PATCHES)}


def road_inputs(config: RoadConfig) -> dict[str, tuple[int, ...]]:
    """Of the rest of the network `road`; see RoadInputs in road_network.py."""
    memory = (1, 1, config.hidden)
    return {
        'curves': (1, 1, BANDS, AROUND),
        'scalars': (1, 1, SCALARS),
        'imu': (1, 1, IMU_SAMPLES, 6),
        'views': (1, 1, 2, *LEVEL_SIZE),  # uint8
        'way': (1, 1),
        'sigma': (1, 1, 3),
        'hidden': memory,
        'cell': memory,
    }


def patches_path(path: Path) -> Path:
    """Where the road branch of a network `road` lies whose rest is in `path`."""
    return path.with_name(f'{path.stem}.patches{path.suffix}')
