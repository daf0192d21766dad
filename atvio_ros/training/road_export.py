"""From the trained network `road` to its model file and card: sigmas calibrated on validation drives, figures, data."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from atvio_ros import __version__
from atvio_ros.calibration.noise_remarks import BEGINNING, LEAST_M
from atvio_ros.files import write_text
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.network.checkpoint import ModelCard
from atvio_ros.network.lineage import ancestors, joined_licence, licence_lines
from atvio_ros.network.road_config import RoadConfig
from atvio_ros.network.road_file import load_road, save_road
from atvio_ros.network.road_network import RoadNetwork
from atvio_ros.odometry.road_estimator import NOISE
from atvio_ros.training.curves import CURVES
from atvio_ros.training.model_card import notes_lines, source_commit
from atvio_ros.training.road_drives import RoadDrive
from atvio_ros.training.road_settings import RoadTrainSettings, as_yaml
from atvio_ros.training.road_windows import RecordedDrive, run_drive
from atvio_ros.types import FloatArray

_SPANS_M = (10.0, 20.0, 50.0)
_MOST_SIGMAS = 5.0  # an error of more counts as so many
_LEAST_SCALE = 0.012  # of the way: the height of a camera is not known better
_LASTING = (1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0)
_SCALES = (0.002, 0.004, 0.006, 0.008, 0.012, 0.016, 0.02, 0.03)


def export_road(
    out: Path,
    network: RoadNetwork,
    settings: RoadTrainSettings,
    validation: Sequence[RecordedDrive],
    drives: Sequence[RoadDrive],
    figures: Mapping[str, float],
    notes: Sequence[str] = (),
) -> Path:
    """Write OUT/road.safetensors and OUT/road.md, its sigmas and covariance fitted to the validation drives.

    `notes` are what a user should know of the training so far.
    """
    network = network.eval()
    network.config, noise = calibrated(network, validation)
    parents = ancestors(Path(settings.initial_model)) if settings.initial_model else ()
    if parents:  # whose settings the network has
        settings = dataclasses.replace(settings, model=network.config)
    card = ModelCard(
        trained=True,
        training_data=settings.data.description or f'{len(drives)} prepared drives in {settings.data.folder}',
        recipe=as_yaml(settings),
        seed=settings.seed,
        commit=source_commit(),
        figures=tuple((name, float(value)) for name, value in figures.items()),
        noise=noise,
        licence=joined_licence(settings.data.licence, parents),
        parents=parents,
        notes=(*notes, *_remarks(validation)),
    )
    path = out / f'{network.config.name}.safetensors'
    save_road(path, network, card, half=settings.half)
    load_road(path)
    held = {drive.name for drive in validation}
    write_text(path.with_suffix('.md'), _text(network, card, drives, held))
    return path


def calibrated(network: RoadNetwork, validation: Sequence[RecordedDrive]) -> tuple[RoadConfig, MotionNoise]:
    """The network's configuration with calibrated sigmas, and the error model beside them.

    Each drive counts once and by a factor: one on which the network is lost must not make the others too cautious.
    """
    ratios: list[FloatArray] = []
    ways: list[tuple[FloatArray, FloatArray, FloatArray]] = []
    for drive in validation:
        output = run_drive(network, drive)
        known = torch.isfinite(drive.motion).all(dim=1)
        error = (output.motion[0, known] - drive.motion[known]).double().numpy()
        sigma = output.log_sigma[0, known].exp().double().numpy()
        ratios.append(np.mean(np.square(np.clip(np.abs(error / sigma), 0.0, _MOST_SIGMAS)), axis=0))
        way = drive.motion[known, 2].double().numpy() * drive.height
        ways.append((error[:, 2] * drive.height, sigma[:, 2] * drive.height, way))
    scale = np.exp(0.5 * np.mean(np.log(np.maximum(ratios, 1e-3)), axis=0)).clip(1.0, 5.0)
    lasting, share = _lasting(ways, float(scale[2]))
    config = dataclasses.replace(
        network.config, sigma_scale=(float(scale[0]), float(scale[1]), float(scale[2])), errors_last=lasting
    )
    # Across the way and up errors come of the direction of travel, as the road estimator's do.
    noise = dataclasses.replace(
        NOISE, scale=(max(share, _LEAST_SCALE), *NOISE.scale[1:]), fitted_to='validation drives of its training'
    )
    return config, noise


def _remarks(validation: Sequence[RecordedDrive]) -> tuple[str, ...]:
    way_m = sum(float(drive.motion[:, 2].nansum().abs()) * drive.height for drive in validation)
    if way_m >= LEAST_M:
        return ()
    return (
        f'{BEGINNING} and sigmas are fitted to only {way_m:.0f} m: how errors grow beyond that is a guess. Keep '
        f'{LEAST_M:.0f} m or more for validation.',
    )


def _lasting(ways: Sequence[tuple[FloatArray, FloatArray, FloatArray]], scale: float) -> tuple[float, float]:
    """How many pairs an error lasts, and the share of the way that goes on being wrong, from ways over some metres."""
    best = (np.inf, _LASTING[0], _SCALES[0])
    for lasting in _LASTING:
        for share in _SCALES:
            away = 0.0
            for span_m in _SPANS_M:
                logarithms = []
                for error, sigma, way in ways:
                    found = [
                        min(
                            float(error[a:b].sum()) ** 2
                            / (lasting * float(np.square(scale * sigma[a:b]).sum()) + (share * span_m) ** 2),
                            _MOST_SIGMAS**2,
                        )
                        for a, b in _stretches(way, span_m)
                    ]
                    if found:
                        logarithms.append(float(np.log(max(float(np.mean(found)), 0.01))))
                if logarithms:
                    away += abs(float(np.mean(logarithms)))
            best = min(best, (away, lasting, share))
    return best[1], best[2]


def _stretches(way: FloatArray, span_m: float) -> list[tuple[int, int]]:
    """First and after-last pair of stretches of `span_m`, one after the other."""
    total = np.concatenate(([0.0], np.cumsum(np.abs(way))))
    edges = np.searchsorted(total, np.arange(0.0, total[-1], span_m))
    return [(int(a), int(b)) for a, b in itertools.pairwise(edges) if b > a]


def _text(network: RoadNetwork, card: ModelCard, drives: Sequence[RoadDrive], held: set[str]) -> str:
    count = sum(parameter.numel() for parameter in network.parameters())
    metres = sum(drive.sequence.meta.length_m for drive in drives)
    images = sum(len(drive.sequence) for drive in drives)
    heights = sorted(drive.height for drive in drives)
    figures = [f'| {name} | {value:.4g} |' for name, value in card.figures]
    rows = [
        f'| {drive.name} | {drive.sequence.meta.source} | {len(drive.sequence)} | {drive.sequence.meta.length_m:.0f} '
        f'| {drive.height:.2f} | {"validation" if drive.name in held else "training"} '
        f'| `{drive.sequence.meta.content_sha256[:12]}` |'
        for drive in drives
    ]
    config = network.config
    lines = [
        f'# {config.name}',
        '',
        f'Visual-inertial odometry for any calibrated forward camera whose height is known ({count} weights).',
        f'Trained with atvio_ros {__version__}, commit {card.commit or "unknown"}, seed {card.seed}.',
        '',
        *licence_lines(card),
        *notes_lines(card),
        '## Figures',
        '',
        *([f'![Learning curves]({CURVES})', ''] if card.figures else []),
        '| on validation drives, when the weights were chosen | |',
        '|---|---|',
        *figures,
        '',
        f'Sigmas were multiplied by {", ".join(f"{each:.3g}" for each in config.sigma_scale)} (across, down, along) to '
        f'fit these drives; errors last {config.errors_last:g} pairs.',
        '',
        '## Data',
        '',
        *card.training_data.split('; '),
        '',
        f'{len(drives)} drives, {images} images, {metres:.0f} m; cameras {heights[0]:.2f} to {heights[-1]:.2f} m high.',
        '',
        '| drive | source | images | m | camera height m | for | images SHA-256 |',
        '|---|---|---|---|---|---|---|',
        *rows,
        '',
        '## Recipe',
        '',
        '```yaml',
        card.recipe.rstrip(),
        '```',
        '',
    ]
    return '\n'.join(lines)
