"""What is trained on at which step: the same for a seed, on any machine, from any step on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from atvio_ros.errors import DatasetError
from atvio_ros.training.dataset import Split, Window
from atvio_ros.training.settings import StageSettings, TrainSettings


@dataclass(frozen=True)
class Stage:
    """A stage of training with the windows it draws from."""

    name: str
    settings: StageSettings
    first_step: int
    steps_per_epoch: int
    steps: int
    starts: Sequence[tuple[int, int]]  # (sequence, first image) of windows with skip 1
    skips: Sequence[tuple[int, ...]]  # the steps between frames that each of them allows


class Plan:
    """All steps of a run. Batches are a pure function of the step, so a run that is resumed sees what it would have."""

    def __init__(self, split: Split, settings: TrainSettings, devices: int = 1) -> None:
        self.settings = settings
        self.devices = devices
        self.stages: list[Stage] = []
        self.steps = 0
        for stage in settings.stages:
            starts, skips = _windows(split, stage.window - 1, settings.augmentation.frame_skips)
            per_epoch = len(starts) // stage.stride // (stage.batch_size * devices)
            if per_epoch == 0:
                raise DatasetError(
                    f'The training parts have {len(starts)} windows of {stage.window} frames: too few for {devices} x '
                    f'batches of {stage.batch_size} with stride {stage.stride} (stage {stage.name} of train.stages).'
                    ' Lower its batch_size or stride, or prepare more.'
                )
            steps = stage.epochs * per_epoch
            if settings.max_steps:
                steps = min(steps, settings.max_steps - self.steps)
            if steps > 0:
                self.stages.append(Stage(stage.name, stage, self.steps, per_epoch, steps, starts, skips))
                self.steps += steps

    def stage_at(self, step: int) -> Stage:
        """The stage that a step belongs to; the last one for steps beyond the end."""
        return next((s for s in self.stages if step < s.first_step + s.steps), self.stages[-1])

    def next_validation(self, step: int) -> int:
        """How many steps are done when the network is validated next, if `step` are done now."""
        stage = self.stage_at(step)
        every = max(1, round(stage.settings.validate_every_epochs * stage.steps_per_epoch))
        since = step - stage.first_step
        return stage.first_step + min(stage.steps, (since // every + 1) * every)

    def validates_after(self, steps: int) -> bool:
        """Whether the network is validated when so many steps are done."""
        return self.next_validation(steps - 1) == steps

    def learning_rate(self, step: int) -> float:
        """Learning rate of a step."""
        stage = self.stage_at(step)
        since = step - stage.first_step
        rate = stage.settings.learning_rate
        if stage.settings.schedule == 'cosine':
            rate *= 0.5 * (1.0 + math.cos(math.pi * min(1.0, since / stage.steps)))
        return rate * min(1.0, (since + 1) / (stage.settings.warm_up_steps + 1))

    def batches(self, first_step: int, rank: int = 0) -> Iterator[list[Window]]:
        """The batches of one device from `first_step` on."""
        step = first_step
        while step < self.steps:
            stage = self.stage_at(step)
            epoch, within = divmod(step - stage.first_step, stage.steps_per_epoch)
            windows = self._epoch(stage, epoch)
            last = min(stage.steps_per_epoch, stage.steps - epoch * stage.steps_per_epoch)
            size = stage.settings.batch_size
            for k in range(within, last):
                first = (k * self.devices + rank) * size
                yield windows[first : first + size]
            step += last - within

    def _epoch(self, stage: Stage, epoch: int) -> list[Window]:
        """One window of each group of `stride` neighbouring ones, shuffled, its skip and mirroring drawn."""
        settings = stage.settings
        rng = np.random.default_rng((self.settings.seed, self.stages.index(stage), epoch))
        groups = len(stage.starts) // settings.stride
        chosen = np.arange(groups) * settings.stride + rng.integers(settings.stride, size=groups)
        mirrored = rng.random(groups) < (0.5 if self.settings.augmentation.mirror else 0.0)
        draws = rng.random(groups)
        windows = []
        for k in rng.permutation(groups):
            (sequence, first), skips = stage.starts[chosen[k]], stage.skips[chosen[k]]
            skip = skips[int(draws[k] * len(skips))]
            windows.append(Window(sequence, first, settings.window - 1, skip, bool(mirrored[k])))
        return windows


def _windows(split: Split, pairs: int, skips: tuple[int, ...]) -> tuple[list[tuple[int, int]], list[tuple[int, ...]]]:
    by_skip = {skip: set(split.training_windows(pairs, skip)) for skip in skips}
    starts = sorted(set().union(*by_skip.values()))
    return starts, [tuple(skip for skip in skips if start in by_skip[skip]) for start in starts]
