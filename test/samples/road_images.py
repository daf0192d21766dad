"""Pictures of a textured plane that a camera drives over, drawn pixel by pixel: no renderer, no world."""

from __future__ import annotations

import cv2
import numpy as np

WIDTH, HEIGHT, FOCAL, CX, CY = 416, 128, 240.0, 207.5, 56.0
K = (FOCAL, 0.0, CX, 0.0, FOCAL, CY, 0.0, 0.0, 1.0)
CAMERA_HEIGHT = 1.65  # m
CELL_M = 0.05  # of the texture
FADING_M = 25.0  # texture finer than a pixel would flicker: it fades with the distance


def _texture(size: int, seed: int) -> np.ndarray:
    """(size, size) of mean 0: spots of several sizes, repeated without a seam."""
    rng, image = np.random.default_rng(seed), np.zeros((size, size))
    for cells in (1, 2, 4, 16):
        coarse = rng.normal(0.0, 25.0, (size // cells, size // cells)).astype(np.float32)
        image += cv2.resize(coarse, (size, size), interpolation=cv2.INTER_LINEAR)
    return image.astype(np.float32)


GROUND, SKY = _texture(1024, 1), _texture(1024, 2)


def road_image(way_m: float, camera_height: float = CAMERA_HEIGHT) -> np.ndarray:
    """(HEIGHT, WIDTH) of a level camera `way_m` along its road, under a sky at infinity."""
    u, v = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    depth = FOCAL * camera_height / np.maximum(v - CY, 0.5)
    x, z = (u - CX) / FOCAL * depth, depth + way_m
    at = [np.mod(value / CELL_M, 1023.0).astype(np.float32) for value in (x, z)]
    ground = cv2.remap(GROUND, *at, interpolation=cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    sky = SKY[:HEIGHT, :WIDTH]
    picture = np.where(v > CY + 1, ground * np.exp(-depth / FADING_M), sky)
    return np.clip(128.0 + picture, 0, 255).astype(np.uint8)
