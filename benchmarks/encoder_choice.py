"""Which visual encoder? Speed and a short accuracy test of the families in atvio_ros/network/visual_encoder.py.

    python -m benchmarks.encoder_choice [--json FILE]

The accuracy test: pairs of views in random textured corridors (ground, two walls, sky; KITTI's camera), from which the
encoder and one linear layer learn the motion: forward, sideways [m], yaw, pitch [rad]. Every candidate sees the same
pairs in the same order; the error on corridors never seen is given as a share of the motions' own spread (1 = learned
nothing). Speeds are those of one core, by CPU time (best of several short runs taken in turns), so that other work on
the machine disturbs them little; two cores give not quite twice as much.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from atvio_ros.network.config import AtvioConfig
from atvio_ros.network.visual_encoder import make_visual_encoder
from atvio_ros.types import FloatArray, ImageArray

CANDIDATES = {
    'plain, C1 = 128': AtvioConfig(visual_encoder='plain', visual_widths=(16, 32, 64, 128, 128)),
    'plain, C1 = 64': AtvioConfig(visual_encoder='plain', visual_widths=(16, 32, 64, 128, 64)),
    'plain, wide': AtvioConfig(visual_encoder='plain', visual_widths=(24, 48, 96, 160, 128)),
    'residual, C1 = 128': AtvioConfig(visual_encoder='residual', visual_widths=(16, 32, 64, 128, 128)),
    'mobile, C1 = 128': AtvioConfig(visual_encoder='mobile', visual_widths=(16, 32, 64, 96, 128)),
}
MOTION_LOW = np.array([0.0, -0.05, -0.06, -0.01])  # forward, sideways [m], yaw, pitch [rad] in one frame interval
MOTION_HIGH = np.array([2.0, 0.05, 0.06, 0.01])
FX, FY, CX, CY = 240.0, 244.0, 206.0, 62.0  # KITTI scaled to 416x128 [px]
CAMERA_HEIGHT_M = 1.65
TEXELS_PER_M = 24.0
BATCH = 16


def main() -> None:
    """Measure every candidate and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--scenes', type=int, default=1500, help='training pairs (default: 1500)')
    parser.add_argument('--passes', type=int, default=4, help='times each pair is seen (default: 4)')
    parser.add_argument('--seeds', type=int, default=1, help='training runs of each candidate (default: 1)')
    parser.add_argument('--json', type=Path, help='write the figures here, too')
    options = parser.parse_args()

    torch.set_num_threads(1)
    rows = {name: speed_row(config) for name, config in CANDIDATES.items()}
    for _ in range(2):
        for name, config in CANDIDATES.items():
            again = speed_row(config)
            for key in ('frames_per_second', 'train_pairs_per_second'):
                rows[name][key] = max(rows[name][key], again[key])
    for name, row in rows.items():
        print(name, {key: round(value, 1) for key, value in row.items()}, flush=True)
    rng = np.random.default_rng(0)
    train, test = make_pairs(rng, options.scenes), make_pairs(rng, 400)
    for name, config in CANDIDATES.items():
        runs = [train_error(config, train, test, options.passes, seed) for seed in range(options.seeds)]
        rows[name].update({f'error_{key}': float(np.mean([run[key] for run in runs])) for key in runs[0]})
        print(name, {key: round(value, 3) for key, value in rows[name].items()}, flush=True)
    print()
    print('| encoder | weights | MACs | frames/s | trained pairs/s | forward | sideways | yaw | pitch |')
    print('|---|---|---|---|---|---|---|---|---|')
    for name, row in rows.items():
        errors = ' | '.join(f'{row[f"error_{key}"]:.3f}' for key in ('forward', 'sideways', 'yaw', 'pitch'))
        print(
            f'| {name} | {row["weights"] / 1e6:.2f} M | {row["macs"] / 1e6:.0f} M | {row["frames_per_second"]:.0f} '
            f'| {row["train_pairs_per_second"]:.0f} | {errors} |'
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def speed_row(config: AtvioConfig) -> dict[str, float]:
    """Size, frames/s at batch 1 and trained pairs/s at batch 16 of one encoder."""
    encoder = make_visual_encoder(config)
    size = (2 * config.image_channels, config.image_height_px, config.image_width_px)
    one, batch = torch.randn(1, *size), torch.randn(BATCH, *size)
    optimizer = torch.optim.Adam(encoder.parameters())

    def train_step() -> None:
        optimizer.zero_grad()
        encoder(batch).square().mean().backward()
        optimizer.step()

    encoder.eval()
    with torch.inference_mode():
        inference_s = seconds_of(lambda: encoder(one), repeats=20)
    encoder.train()
    return {
        'weights': sum(parameter.numel() for parameter in encoder.parameters()),
        'macs': count_macs(encoder.eval(), one),
        'frames_per_second': 1.0 / inference_s,
        'train_pairs_per_second': BATCH / seconds_of(train_step, repeats=1),
    }


def seconds_of(work: Callable[[], object], repeats: int) -> float:
    """Shortest of three timings of `repeats` calls [CPU s per call]."""
    work()
    best = float('inf')
    for _ in range(3):
        start = time.process_time()
        for _ in range(repeats):
            work()
        best = min(best, time.process_time() - start)
    return best / repeats


def count_macs(encoder: nn.Module, images: torch.Tensor) -> int:
    """Multiply-accumulate operations of one forward pass."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        encoder(images)
    return int(counter.get_total_flops()) // 2


def make_pairs(rng: np.random.Generator, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random corridors: grey images (count, 2, 128, 416) uint8 and normalised motions (count, 4)."""
    images = np.empty((count, 2, 128, 416), np.uint8)
    motions = rng.uniform(-1.0, 1.0, (count, 4))
    middle, reach = (MOTION_HIGH + MOTION_LOW) / 2, (MOTION_HIGH - MOTION_LOW) / 2
    texture = make_texture(rng)
    for i, motion in enumerate(motions * reach + middle):
        if i % 50 == 49:
            texture = make_texture(rng)
        forward, sideways, yaw, pitch = motion
        walls = rng.uniform(3.0, 15.0, 2)  # distance to the left and to the right [m]
        tops = rng.uniform(2.0, 12.0, 2)  # their heights [m]
        offset = rng.uniform(0.0, 1000.0, 3)  # where in the texture ground and walls begin
        light = rng.uniform(0.5, 1.2)
        first = np.zeros(3), Rotation.from_euler('YX', rng.normal(0.0, 0.02, 2))
        second = np.array([sideways, 0.0, forward]), Rotation.from_euler('YX', [yaw, pitch])
        images[i, 0] = view(*first, walls, tops, offset, texture, light)
        images[i, 1] = view(first[1].apply(second[0]), first[1] * second[1], walls, tops, offset, texture, light)
    return torch.from_numpy(images), torch.from_numpy(motions.astype(np.float32))


def make_texture(rng: np.random.Generator) -> ImageArray:
    """Noise with detail at every scale, (1024, 1024), that tiles."""
    total = np.zeros((1024, 1024), np.float32)
    for level in range(3, 11):
        noise = rng.normal(size=(2**level, 2**level)).astype(np.float32)
        total += cv2.resize(noise, (1024, 1024), interpolation=cv2.INTER_LINEAR) * 0.75 ** (level - 3)
    return np.asarray(np.clip(110.0 + 45.0 * total / total.std(), 0, 255), np.uint8)


def view(
    position: FloatArray,
    R_world_camera: Rotation,
    walls: FloatArray,
    tops: FloatArray,
    offset: FloatArray,
    texture: ImageArray,
    light: float,
) -> ImageArray:
    """What a camera at `position` [m] sees of the corridor, (128, 416); world axes as the camera's: z forward."""
    u, v = np.meshgrid(np.arange(416.0), np.arange(128.0))
    rays = np.stack(((u - CX) / FX, (v - CY) / FY, np.ones_like(u)), axis=-1)
    dx, dy, dz = np.moveaxis(rays @ R_world_camera.as_matrix().T, -1, 0)
    with np.errstate(divide='ignore', invalid='ignore'):
        ground = np.where(dy > 0, (CAMERA_HEIGHT_M - position[1]) / dy, np.inf)
        wall = np.where(dx > 0, (walls[1] - position[0]) / dx, (-walls[0] - position[0]) / dx)
        top = np.where(dx > 0, tops[1], tops[0]) - CAMERA_HEIGHT_M
        wall = np.where((-(position[1] + wall * dy)) < top, wall, np.inf)
    distance = np.minimum(np.minimum(ground, wall), 1e3)
    on_wall = wall < ground
    x, y, z = (position[k] + distance * d for k, d in enumerate((dx, dy, dz)))
    across = np.where(on_wall, y + offset[1] * np.sign(dx), x + offset[0])
    scale = np.float32(TEXELS_PER_M)
    colour = cv2.remap(
        texture,
        ((across * scale) % 1024).astype(np.float32),
        (((z + offset[2]) * scale) % 1024).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    haze = np.exp(-distance / 30.0)  # also hides what lies too far to be sampled without aliasing
    return np.asarray(np.clip(light * (colour * haze + 170.0 * (1.0 - haze)), 0, 255), np.uint8)


def train_error(
    config: AtvioConfig,
    train: tuple[torch.Tensor, torch.Tensor],
    test: tuple[torch.Tensor, torch.Tensor],
    passes: int,
    seed: int,
) -> dict[str, float]:
    """Train on pairs, with mirror images, and return the error on unseen ones, as a share of the motions' spread."""
    torch.manual_seed(seed)
    config = dataclasses.replace(config, image_channels=1)
    channels, height, width = config.feature_shape
    model = nn.Sequential(make_visual_encoder(config), nn.Flatten(), nn.Linear(channels * height * width, 4))
    steps = passes * len(train[0]) // BATCH
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-3, total_steps=steps)
    mirrored = torch.tensor([1.0, -1.0, -1.0, 1.0])
    for _ in range(steps):
        chosen = torch.randint(len(train[0]), (BATCH,))
        images, motion = normalised(train[0][chosen]), train[1][chosen]
        if torch.rand(()) < 0.5:
            images, motion = images.flip(-1), motion * mirrored
        optimizer.zero_grad()
        torch.autograd.backward(nn.functional.smooth_l1_loss(model(images), motion))
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.inference_mode():
        predicted = torch.cat([model(normalised(images)) for images in torch.split(test[0], BATCH)])
    rmse = (predicted - test[1]).square().mean(dim=0).sqrt() / test[1].std(dim=0)
    return dict(zip(('forward', 'sideways', 'yaw', 'pitch'), rmse.tolist(), strict=True))


def normalised(images: torch.Tensor) -> torch.Tensor:
    """(N, 2, H, W) uint8 -> float of about unit variance."""
    return (images / 255.0 - 0.4) / 0.25


if __name__ == '__main__':
    main()
