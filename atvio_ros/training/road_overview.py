"""What a run of the network `road` trains on what, in a few lines before it begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from atvio_ros.network.road_network import RoadNetwork
from atvio_ros.training.overview import begun_from
from atvio_ros.training.road_drives import RoadDrive
from atvio_ros.training.road_settings import RoadTrainSettings


def road_overview(
    settings: RoadTrainSettings, network: RoadNetwork, training: Sequence[RoadDrive], validation: Sequence[RoadDrive]
) -> Iterator[str]:
    """The lines."""
    weights = sum(parameter.numel() for parameter in network.parameters())
    yield f'Trains {network.config.name} ({weights:,} weights) on the CPU.'
    yield from begun_from(settings.initial_model)
    ways = ways_m(training, validation)
    pairs = [sum(len(drive) for drive in drives) for drives in (training, validation)]
    yield f'Training: {pairs[0]} frame pairs, {ways[0]:.0f} m; validation: {pairs[1]} frame pairs, {ways[1]:.0f} m.'
    patches = settings.patches
    yield f'Stage patches: {patches.steps} steps of {patches.batch_size} x {patches.window}.'
    yield f'Stage windows: {settings.windows.steps} steps of {settings.windows.batch_size} x {settings.windows.window}.'


def ways_m(*groups: Sequence[RoadDrive]) -> tuple[float, float]:
    """Way [m] of the ground truth in two groups of drives."""
    first, second = (float(sum(np.nansum(np.abs(drive.table.motion[:, 2])) for drive in drives)) for drives in groups)
    return first, second
