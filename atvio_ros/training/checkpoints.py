"""Checkpoints of a run: where it goes on from, and the best network of each stage, where the next one may start."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from atvio_ros.errors import SettingsError
from atvio_ros.training.checkpoint_files import LAST, read_checkpoint
from atvio_ros.training.curves import Point, points_from
from atvio_ros.training.plan import Plan
from atvio_ros.training.validation import selected, selected_with_name

DATA, NOTES, HISTORY = 'data', 'notes', 'history'  # keys in the state that KeepCheckpoints leaves in a checkpoint


def trained_on(checkpoint: Mapping[str, Any]) -> dict[str, str]:
    """What the run of a checkpoint was trained on, as Split.contents; empty in those of before 0.2."""
    return dict(_state(checkpoint).get(DATA, {}))


def noted(checkpoint: Mapping[str, Any]) -> tuple[str, ...]:
    """What was remarked on the data when the run of a checkpoint began."""
    return tuple(_state(checkpoint).get(NOTES, ()))


def _state(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    return dict(checkpoint.get('callbacks', {}).get(KeepCheckpoints.__qualname__, {}))


def best_of(folder: Path, stage: str) -> Path:
    """The checkpoint of a stage's best validation."""
    return folder / f'best_{stage}.ckpt'


def network_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The network in a checkpoint, without loss and optimiser."""
    prefix = 'network.'
    state = read_checkpoint(checkpoint)['state_dict']
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


class KeepCheckpoints(Callback):  # type: ignore[misc]
    """Writes last.ckpt after every validation and every so many minutes, and best_STAGE.ckpt; begins the stages.

    Figures are compared within a stage: those of networks trained on single pairs are measured otherwise.
    """

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        minutes: float = 10.0,
        data: Mapping[str, str] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self._folder = folder
        self._notes = tuple(notes)
        self.history: list[Point] = []
        self._data = dict(data or {})  # what the run is trained on, as Split.contents
        self._plan = plan
        self._interval_s = 60.0 * minutes
        self._saved_at = time.monotonic()
        self.best: dict[str, dict[str, float]] = {}  # the figures of each best_STAGE.ckpt, by stage

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int) -> None:
        stage = self._plan.stage_at(trainer.global_step)
        if trainer.global_step != stage.first_step or stage.settings.start_from == 'last':
            return
        before = self._plan.stages[self._plan.stages.index(stage) - 1]
        if before.name not in self.best:
            raise SettingsError(
                f'No validation of stage {before.name} gave a finite {before.settings.select_by}, so stage '
                f'{stage.name} has no best network to start from. Lower the learning rate, or set gradient_clip.'
            )
        module.start_anew(network_weights(best_of(self._folder, before.name)))

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        figures = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith('val/')}
        stage = self._plan.stage_at(trainer.global_step - 1)
        by = stage.settings.select_by
        loss = float(trainer.callback_metrics.get('train/loss', float('nan')))
        self.history.append(Point(trainer.global_step, stage.name, loss, *selected_with_name(figures, by)))
        best = selected(self.best[stage.name], by) if stage.name in self.best else float('inf')
        if selected(figures, by) < best:
            self.best[stage.name] = {**figures, 'step': trainer.global_step}
            trainer.save_checkpoint(best_of(self._folder, stage.name), weights_only=True)
        self.save_last(trainer)

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if self._plan.validates_after(trainer.global_step):
            return  # which saves when it is done; saved now, a resumed run would leave it out
        due = time.monotonic() - self._saved_at > self._interval_s
        if trainer.strategy.reduce_boolean_decision(due, all=False) if trainer.world_size > 1 else due:
            self.save_last(trainer)

    def save_last(self, trainer: Trainer) -> None:
        """Write last.ckpt; every device must call this."""
        trainer.save_checkpoint(self._folder / LAST)
        self._saved_at = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {
            'best': self.best,
            DATA: self._data,
            NOTES: list(self._notes),
            HISTORY: [dict(vars(point)) for point in self.history],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best = state['best']
        self.history = points_from(state.get(HISTORY, ()))
