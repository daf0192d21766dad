"""A network of the paper alone: two images and eleven IMU readings in, a relative pose of the camera out."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from atvio_ros.geometry import decode_motion
from atvio_ros.network.checkpoint import load_model


def main() -> None:
    """Run it over grey images that do not move, its memory carried on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('model', type=Path, help='model file, as models/ca_a.safetensors')
    parser.add_argument('--pairs', type=int, default=3, help='frame pairs (default: 3)')
    arguments = parser.parse_args()
    network, card = load_model(arguments.model)
    config = network.config
    print(f'{config.name}, trained: {card.trained}, licence: {card.licence or "see its card"}')
    size = config.image_height_px, config.image_width_px
    images = torch.full((1, 2, config.image_channels, *size), 100, dtype=torch.uint8)  # (B, T + 1, C, H, W)
    imu = torch.zeros(1, 1, 11, 6)  # (B, T, 11, 6): wx wy wz [rad/s], ax ay az [m/s^2], base axes
    imu[..., 5] = 9.81
    state = None
    with torch.inference_mode():
        for _ in range(arguments.pairs):
            motion, state, attention = network(images, imu, torch.tensor([[0.1]]), state)
            T_previous_current = decode_motion(motion[0, 0].double().numpy())
            x, y, z = T_previous_current[:3, 3]
            print(
                f'{x:+.3f} {y:+.3f} {z:+.3f} m right, down, forward; attention {np.round(attention[0, 0].numpy(), 2)}'
            )


if __name__ == '__main__':
    main()
