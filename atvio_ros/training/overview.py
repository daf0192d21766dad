"""What a run trains on what, in a few lines before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from atvio_ros.network.atvio import Atvio
from atvio_ros.network.lineage import ancestors, is_non_commercial
from atvio_ros.training.dataset import Split
from atvio_ros.training.plan import Plan
from atvio_ros.training.settings import TrainSettings


def overview(settings: TrainSettings, network: Atvio, split: Split, plan: Plan, device: str) -> Iterator[str]:
    """The lines, of at most 80 columns but for names."""
    weights = sum(parameter.numel() for parameter in network.parameters())
    yield f'Trains {network.config.name} ({weights:,} weights) on {device}.'
    yield from begun_from(settings.initial_model)
    training_m, validation_m = split.ways_m()
    images = [sum(int(part.sum()) for part in parts) for parts in (split.training, split.validation)]
    yield f'Training: {images[0]} images, {training_m:.0f} m; validation: {images[1]} images, {validation_m:.0f} m.'
    for stage in plan.stages:
        chosen = stage.settings
        yield (
            f'Stage {stage.name}: {stage.steps} steps of {chosen.batch_size} x {chosen.window} frames, '
            f'{len(stage.starts)} windows.'
        )
    yield f'{plan.steps} steps in all; how long they take is told after the first ten.'


def begun_from(initial_model: str) -> Iterator[str]:
    """Which model the weights begin as, and what its licence means. Raises ModelError."""
    if not initial_model:
        return
    parent = ancestors(Path(initial_model))[0]
    yield f'Begins as {initial_model} ({parent.name} {parent.hash}), licence: {parent.licence or "not stated"}.'
    if is_non_commercial(parent.licence):
        yield 'That licence is non-commercial, and holds for what is trained from it, too.'
