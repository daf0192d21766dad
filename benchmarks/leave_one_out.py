"""What a few real drives bring the network road: `python -m benchmarks.leave_one_out DIR --model FILE`.

For each prepared drive (view stored) of DIR the weights of the patches go on learning from the other drives, and are
measured on it: before, and after. The filter runs as in the odometry, from curves that were compared once.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import numpy as np
import torch

from atvio_ros.drives.sequence_store import find_sequences
from atvio_ros.network.patch_weights import PatchWeights
from atvio_ros.network.road_file import load_road, untrained_road
from atvio_ros.training.road_drives import RoadDrive
from atvio_ros.training.road_patches import PatchDrive, PatchWindows, record_patches, validate_patches
from atvio_ros.training.road_settings import PatchStage


def tuned(patches: PatchWeights, drives: list[PatchDrive], stage: PatchStage, seed: int) -> PatchWeights:
    """The weights after the stage's steps on these drives."""
    found = copy.deepcopy(patches).train()
    windows = PatchWindows(drives, stage)
    optimizer = torch.optim.AdamW(found.parameters(), lr=stage.learning_rate)
    for step in range(stage.steps):
        rng = np.random.default_rng((seed, step))
        loss = torch.stack([windows.loss(found, rng) for _ in range(stage.batch_size)]).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return found.eval()


def main() -> None:
    """Print a row for each drive and each set of weights, the drives' mean last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path, help='prepared drives, --view stored')
    parser.add_argument('--model', type=Path, required=True)
    parser.add_argument('--steps', type=int, default=40)
    parser.add_argument('--learning-rate', type=float, default=3e-4)
    parser.add_argument('--seed', type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    stage = PatchStage(steps=arguments.steps, learning_rate=arguments.learning_rate)
    drives = [record_patches(RoadDrive(path)) for path in find_sequences(arguments.folder)]
    network, _ = load_road(arguments.model)
    sets: dict[str, list[dict[str, float]]] = {'equal weights': [], 'zero-shot': [], 'left out': []}
    for i, drive in enumerate(drives):
        others = [other for k, other in enumerate(drives) if k != i]
        weights = {
            'equal weights': untrained_road().patches,
            'zero-shot': network.patches,
            'left out': tuned(network.patches, others, stage, arguments.seed),
        }
        for name, patches in weights.items():
            _, figures = validate_patches(patches.requires_grad_(False), [drive])
            sets[name].append(figures)
            print(f'{drive.name:<12}{name:<16}' + '  '.join(f'{key} {value:.3f}' for key, value in figures.items()),
                  flush=True)  # fmt: skip
            patches.requires_grad_(True)
    for name, rows in sets.items():
        means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
        print(f'{"mean":<12}{name:<16}' + '  '.join(f'{key} {value:.3f}' for key, value in means.items()))


if __name__ == '__main__':
    main()
