"""What happens beside the training steps: an orderly stop, rates and messages."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from atvio_ros.training.checkpoints import KeepCheckpoints
from atvio_ros.training.module import TrainingData
from atvio_ros.training.plan import Plan

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopOnSignal(Callback):  # type: ignore[misc]
    """Ctrl-C and SIGTERM end training after the step at hand, with last.ckpt saved; a second one ends it at once.

    A validation that is due at that step comes first: a resumed run would not make up for it.
    """

    def __init__(self, checkpoints: KeepCheckpoints, plan: Plan) -> None:
        self._checkpoints = checkpoints
        self._plan = plan
        self._handlers: dict[int, Any] = {}
        self.asked = False

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handlers
            self._handlers = {number: signal.signal(number, self._ask) for number in _SIGNALS}

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.world_size > 1:  # all devices must stop at one step
            self.asked = trainer.strategy.reduce_boolean_decision(self.asked, all=False)
        if self.asked:
            trainer.should_stop = True
            if not self._plan.validates_after(trainer.global_step):
                self._checkpoints.save_last(trainer)
                trainer.limit_val_batches = 0  # no validation while somebody waits for the prompt

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@dataclass(frozen=True)
class Progress:
    """Where a run stands, for whoever shows it."""

    step: int
    steps: int
    stage: str
    loss: float
    steps_per_s: float
    pairs_per_s: float
    data_wait_percent: float  # share of the time since the last report that training waited for data
    figures: dict[str, float]  # of the validation just done; empty in between

    @property
    def left_s(self) -> float:
        """Time that the steps left take at the rate of late, validations not counted; infinite where not known."""
        return (self.steps - self.step) / self.steps_per_s if self.steps_per_s > 0 else float('inf')


class Report(Callback):  # type: ignore[misc]
    """Tells a function about progress every so many steps and after each validation, and logs rates and waiting."""

    def __init__(self, data: TrainingData, show: Callable[[Progress], None], every_steps: int = 10) -> None:
        self._data = data
        self._show = show
        self._every_steps = every_steps
        self._pairs = 0
        self._loss = float('nan')
        self._mark = (0, 0, 0.0, 0.0)  # step, pairs, seconds, seconds waited
        self._rates = (0.0, 0.0, 0.0)  # steps/s, pairs/s, % waited

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._restart_clock(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._pairs += batch.imu.shape[0] * batch.imu.shape[1] * trainer.world_size
        if trainer.global_step - self._mark[0] >= self._every_steps or trainer.global_step == self._data.plan.steps:
            self._loss = float(torch.as_tensor(outputs['loss']))
            self._rates = self._measure(trainer)
            names = ('rate/steps_per_s', 'rate/pairs_per_s', 'rate/data_wait_percent')
            rate = trainer.optimizers[0].param_groups[0]['lr']
            module.log_dict({**dict(zip(names, self._rates, strict=True)), 'rate/learning_rate': rate})
            self._show(self._progress(trainer, {}))
            self._restart_clock(trainer)

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._before_validation = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        figures = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith('val/')}
        self._show(self._progress(trainer, figures))
        step, pairs, seconds, waited_s = self._mark
        self._mark = (step, pairs, seconds + time.perf_counter() - self._before_validation, waited_s)

    def _measure(self, trainer: Trainer) -> tuple[float, float, float]:
        step, pairs, seconds, waited_s = self._mark
        elapsed_s = max(time.perf_counter() - seconds, 1e-9)
        return (
            (trainer.global_step - step) / elapsed_s,
            (self._pairs - pairs) / elapsed_s,
            100.0 * (self._waited_s() - waited_s) / elapsed_s,
        )

    def _progress(self, trainer: Trainer, figures: dict[str, float]) -> Progress:
        steps_per_s, pairs_per_s, data_wait_percent = self._rates
        return Progress(
            step=trainer.global_step,
            steps=self._data.plan.steps,
            stage=self._data.plan.stage_at(max(0, trainer.global_step - 1)).name,
            loss=self._loss,
            steps_per_s=steps_per_s,
            pairs_per_s=pairs_per_s,
            data_wait_percent=data_wait_percent,
            figures=figures,
        )

    def _restart_clock(self, trainer: Trainer) -> None:
        self._mark = (trainer.global_step, self._pairs, time.perf_counter(), self._waited_s())

    def _waited_s(self) -> float:
        return self._data.loader.waited_s if self._data.loader else 0.0
