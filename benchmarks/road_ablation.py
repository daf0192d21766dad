"""Parts of the network road left out, and several seeds, at a short budget: `python -m benchmarks.road_ablation DIR`.

DIR has prepared drives (view stored), those named validation_... to validate with; `--drives` are trained on. Both
stages learn from drives that are recorded once: the weights of patches for each seed, then what comes after the filter
whole for each seed, and with each part left out for the first one.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import nn

from atvio_ros.drives.sequence_store import find_sequences
from atvio_ros.network.road_config import SOURCES, RoadConfig
from atvio_ros.network.road_network import RoadNetwork
from atvio_ros.training.road_drives import RoadDrive
from atvio_ros.training.road_patches import PatchWindows, record_patches, validate_patches
from atvio_ros.training.road_settings import PatchStage, WindowStage
from atvio_ros.training.road_validation import validate_windows
from atvio_ros.training.road_windows import RecordedDrive, Windows, draw_losses, record, window_loss


def main() -> None:
    """Print a row for each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--cache', type=Path, help='where the directions of travel are kept')
    parser.add_argument('--drives', type=int, default=24, help='to train on (default: %(default)s)')
    parser.add_argument('--steps', type=int, default=80, help='of each run (default: %(default)s)')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    paths = find_sequences(arguments.folder)
    held = [RoadDrive(path, arguments.cache) for path in paths if path.name.startswith('validation_')]
    others = [path for path in paths if not path.name.startswith('validation_')]
    training = [RoadDrive(path, arguments.cache) for path in others[: arguments.drives]]
    patches = _patches(training, held, arguments.steps, arguments.seeds)
    stage = WindowStage(steps=arguments.steps, window=24, batch_size=4, warm_up_steps=10)
    rng = np.random.default_rng(0)
    recorded, recorded_held = (_record(drives, patches, stage, rng) for drives in (training, held))
    for seed in arguments.seeds:
        _windows(RoadConfig(), 'all', seed, recorded, recorded_held, stage)
    for name in SOURCES:
        _windows(RoadConfig(without=(name,)), f'without {name}', arguments.seeds[0], recorded, recorded_held, stage)
    _windows(RoadConfig(attention=False), 'without attention', arguments.seeds[0], recorded, recorded_held, stage)


def _patches(training: list[RoadDrive], held: list[RoadDrive], steps: int, seeds: list[int]) -> nn.Module:
    """The weights of patches of the first seed."""
    stage = PatchStage(steps=steps)
    windows, validation = PatchWindows([record_patches(d) for d in training], stage), [record_patches(d) for d in held]
    found = []
    for seed in seeds:
        torch.manual_seed(seed)
        weights = RoadNetwork(RoadConfig()).patches
        if not found:
            _row('patches, untrained', validate_patches(weights, validation)[1])
        optimizer = torch.optim.AdamW(weights.parameters(), lr=stage.learning_rate, weight_decay=1e-4)
        for step in range(steps):
            rng = np.random.default_rng((seed, 0, step))
            loss = torch.stack([windows.loss(weights, rng) for _ in range(stage.batch_size)]).mean()
            _descend(optimizer, weights, loss, stage.learning_rate, step / steps)
        found.append(weights.eval())
        _row(f'patches, seed {seed}', validate_patches(weights, validation)[1])
    return found[0]


def _record(
    drives: list[RoadDrive], patches: nn.Module, stage: WindowStage, rng: np.random.Generator
) -> list[RecordedDrive]:
    whole = [record(drive, patches) for drive in drives]  # type: ignore[arg-type]
    return whole + [record(drive, patches, draw_losses(drive, stage, rng)) for drive in drives[::3]]  # type: ignore[arg-type]


def _windows(
    config: RoadConfig,
    name: str,
    seed: int,
    training: list[RecordedDrive],
    held: list[RecordedDrive],
    stage: WindowStage,
) -> None:
    torch.manual_seed(seed)
    network = RoadNetwork(dataclasses.replace(config))
    windows = Windows(training, stage)
    if name == 'all' and not seed:
        _row('after the filter, untrained', validate_windows(network.eval(), held, stage)[1])
    network.patches.requires_grad_(False)
    kept = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(kept, lr=stage.learning_rate, weight_decay=1e-4)
    for step in range(stage.steps):
        inputs, truth = windows.batch(np.random.default_rng((seed, 1, step)))
        loss, _ = window_loss(network.train()(inputs), truth, stage)
        _descend(optimizer, network, loss, stage.learning_rate, step / stage.steps)
    _row(f'{name}, seed {seed}', validate_windows(network.eval(), held, stage)[1])


def _descend(optimizer: torch.optim.Optimizer, module: nn.Module, loss: torch.Tensor, rate: float, done: float) -> None:
    for group in optimizer.param_groups:
        group['lr'] = rate * 0.5 * (1.0 + float(np.cos(np.pi * done)))
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(module.parameters(), 5.0)
    optimizer.step()


def _row(name: str, figures: dict[str, float]) -> None:
    print(f'{name:<34}' + '  '.join(f'{key} {value:.3f}' for key, value in figures.items()), flush=True)


if __name__ == '__main__':
    main()
