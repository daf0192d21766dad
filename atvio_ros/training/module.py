"""The network, the loss and the optimiser as a LightningModule, and its data as a LightningDataModule."""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
import torch.distributed
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor
from torch.utils.data import DataLoader

from atvio_ros.network.atvio import Atvio
from atvio_ros.training.dataset import Batch, Split, Window, WindowDataset
from atvio_ros.training.loss import PoseLoss, parameter_groups
from atvio_ros.training.photometric import photometric
from atvio_ros.training.plan import Plan
from atvio_ros.training.settings import TrainSettings, plain
from atvio_ros.training.validation import StretchFigures, mean_figures, run_stretch, stretch_figures

SETTINGS, NETWORK_CONFIG = 'atvio_settings', 'atvio_network_config'  # keys in a checkpoint


class TrainingModule(LightningModule):  # type: ignore[misc]
    """One training step, one validation; the rest is Lightning's."""

    def __init__(self, network: Atvio, settings: TrainSettings, plan: Plan, dataset: WindowDataset) -> None:
        super().__init__()
        self.network = network
        self.loss = _make_loss(settings)
        self.settings = settings
        self.plan = plan
        self.dataset = dataset
        self.figures: dict[str, StretchFigures] = {}  # of the last validation, by stretch
        self.validated_step = -1
        self._motions: dict[str, tuple[Tensor, Tensor]] = {}

    def configure_optimizers(self) -> Any:
        settings = self.settings
        base = settings.stages[-1].learning_rate or 1.0
        groups = parameter_groups(self.network, self.loss, settings.weight_decay)
        optimizer = torch.optim.Adam(groups, lr=base, betas=settings.betas)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: self.plan.learning_rate(step) / base)
        return {'optimizer': optimizer, 'lr_scheduler': {'scheduler': schedule, 'interval': 'step'}}

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Whatever is drawn during a step depends on the step alone, so that a resumed run draws the same.
        words = np.random.SeedSequence((self.settings.seed, self.global_step, self.global_rank)).generate_state(1)
        torch.manual_seed(int(words[0]))

        self.trainer.val_check_batch = self.plan.next_validation(self.global_step)  # Lightning's own is one for the run

    def start_anew(self, network: Mapping[str, Tensor]) -> None:
        """Go on from other weights as a new run would: loss and Adam as at the beginning."""
        self.network.load_state_dict(network)
        self.loss.load_state_dict(_make_loss(self.settings).state_dict())
        self.trainer.optimizers[0].state.clear()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        images = photometric(batch.images, self.settings.augmentation)  # (B, T + 1, C, H, W)
        motion = self.network(images, batch.imu, batch.interval_s).motion  # (B, T, 6)
        total: Tensor
        total, translation, rotation = self.loss(motion, batch.motion)
        self.log_dict({'train/loss': total, 'train/translation': translation, 'train/rotation': rotation})
        return total

    def validation_step(self, stretch: Window, batch_idx: int) -> None:
        name = self.dataset.sequences[stretch.sequence].name
        key = f'{name}[{stretch.first}:{stretch.first + stretch.pairs}]'
        carry = self.plan.stage_at(self.global_step - 1).settings.window > 2
        self._motions[key] = run_stretch(self.network, self.dataset, stretch, carry)

    def on_validation_epoch_end(self) -> None:
        motions = {key: (estimate.cpu(), truth.cpu()) for key, (estimate, truth) in self._motions.items()}
        self._motions = {}
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            parts: list[Any] = [None] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(parts, motions)
            motions = dict(sorted(itertools.chain.from_iterable(part.items() for part in parts)))
        self.figures = {
            key: stretch_figures(key, estimate.double().numpy(), truth.double().numpy())
            for key, (estimate, truth) in motions.items()
        }
        estimates, truths = (torch.cat(parts).to(self.device) for parts in zip(*motions.values(), strict=True))
        error = estimates - truths  # (pairs, 6)
        loss = self.loss(estimates, truths)[0]
        self.validated_step = self.global_step
        self.log_dict(
            {
                **mean_figures(self.figures.values()),
                'val/loss': loss,
                'val/translation_mae_m': error[:, :3].norm(dim=1).mean(),
                'val/rotation_mae_deg': torch.rad2deg(error[:, 3:].norm(dim=1).mean()),
            }
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[SETTINGS] = json.dumps(plain(self.settings))
        checkpoint[NETWORK_CONFIG] = json.dumps(dataclasses.asdict(self.network.config))


def _make_loss(settings: TrainSettings) -> PoseLoss:
    loss = settings.loss
    return PoseLoss(loss.rotation_weight, loss.alpha, loss.c, loss.separate)


class TrainingData(LightningDataModule):  # type: ignore[misc]
    """Batches of the plan for training, held-out stretches for validation."""

    def __init__(self, dataset: WindowDataset, split: Split, plan: Plan) -> None:
        super().__init__()
        self.dataset = dataset
        self.plan = plan
        self.stretches = split.stretches()
        self.loader: TimedLoader | None = None

    def train_dataloader(self) -> TimedLoader:
        trainer = self.trainer
        first_step, workers = trainer.global_step, self.plan.settings.workers
        loader: DataLoader[Batch] = DataLoader(
            self.dataset,
            batch_sampler=_Batches(self.plan, first_step, trainer.global_rank),
            collate_fn=_as_it_is,
            num_workers=workers,
            pin_memory=trainer.strategy.root_device.type == 'cuda',
            prefetch_factor=4 if workers else None,
        )
        self.loader = TimedLoader(loader, self.plan.steps)
        return self.loader

    def val_dataloader(self) -> DataLoader[Window]:
        world, rank, count = self.trainer.world_size, self.trainer.global_rank, len(self.stretches)
        # Every device gets as many; what is run twice counts once.
        own = [self.stretches[(rank + k * world) % count] for k in range(-(-count // world))]
        return DataLoader(own, batch_size=None, collate_fn=_as_it_is)  # type: ignore[arg-type]


class TimedLoader:
    """Passes batches on and adds up the time that the training process waited for them."""

    def __init__(self, loader: DataLoader[Batch], steps: int) -> None:
        self._loader = loader
        self._steps = steps
        self.waited_s = 0.0

    def __len__(self) -> int:
        return self._steps  # of the whole run, which Lightning counts through; the loader begins where it goes on

    def __iter__(self) -> Iterator[Batch]:
        batches = iter(self._loader)
        while True:
            before = time.perf_counter()
            batch = next(batches, None)
            self.waited_s += time.perf_counter() - before
            if batch is None:
                return
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Nothing: where to go on follows from the step. Lightning takes loaders without this for not resumable."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


class _Batches:
    """The plan's batches as a batch sampler."""

    def __init__(self, plan: Plan, first_step: int, rank: int) -> None:
        self._plan, self._first_step, self._rank = plan, first_step, rank

    def __iter__(self) -> Iterator[list[Window]]:
        return self._plan.batches(self._first_step, self._rank)


def _as_it_is(value: Any) -> Any:
    return value
