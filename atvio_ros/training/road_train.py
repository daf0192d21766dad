"""A training run of the network `road`, from prepared drives to a model file: weights of patches first, then windows.

Which samples a step sees, and what is drawn at random in it, depend on seed, stage and step alone, so a resumed run
draws the same.
"""

from __future__ import annotations

import dataclasses
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from atvio_ros.drives.remote import place
from atvio_ros.drives.sequence_store import find_sequences
from atvio_ros.errors import DatasetError, SettingsError
from atvio_ros.files import replacing, write_text
from atvio_ros.network.road_file import load_road
from atvio_ros.network.road_network import RoadNetwork
from atvio_ros.training.amount import check_amount
from atvio_ros.training.curves import CURVES, Point, draw_curves, points_from
from atvio_ros.training.road_drives import RoadDrive
from atvio_ros.training.road_export import export_road
from atvio_ros.training.road_overview import road_overview, ways_m
from atvio_ros.training.road_patches import PatchDrive, PatchWindows, record_patches, validate_patches
from atvio_ros.training.road_settings import PatchStage, RoadTrainSettings, WindowStage, as_yaml
from atvio_ros.training.road_validation import validate_windows
from atvio_ros.training.road_windows import Losses, RecordedDrive, Windows, draw_losses, record, window_loss

LAST, SETTINGS_FILE = 'last.ckpt', 'settings.yaml'
STAGES = ('patches', 'windows')
_EVERY_S = 300.0  # between checkpoints
NOT_VALIDATED = (
    'Exported before any validation: the weights are those that the run began with, and nothing was measured.'
)
_LOSSES = 99  # a word of the seed beside those of the stages

Say = Callable[[str], None]


class StoppedError(Exception):
    """Ctrl-C or SIGTERM came, and the run was saved."""


def train_road(
    settings: RoadTrainSettings, out: Path, *, resume: bool = False, say: Say = lambda text: None
) -> tuple[Path, bool]:
    """Train as `settings` say and leave model, card, checkpoint and settings in `out`; the model, and whether the run
    was stopped before its end (then there is none yet). Raises SettingsError, DatasetError or ModelError.
    """
    run = _Run(settings, out, resume, say)
    try:
        with _stopping(run):
            if run.stage == 0:
                run.train_patches()
            run.train_windows()
    except StoppedError:
        return out / 'road.safetensors', True
    draw_curves(out / CURVES, run.history, f'{run.network.config.name}, {out.name}')
    notes = run.notes if run.figures else (*run.notes, NOT_VALIDATED)
    model = export_road(out, run.network, settings, run.recorded_validation, run.all_drives, run.figures, notes)
    for note in load_road(model)[1].notes:
        say(f'NOTE: {note}')
    return model, False


class _Run:
    def __init__(self, settings: RoadTrainSettings, out: Path, resume: bool, say: Say) -> None:
        self.settings, self._out, self._say = settings, out, say
        self.stage = self.step = 0
        self.stop = False
        self.figures: dict[str, float] = {}
        self._best: tuple[float, dict[str, torch.Tensor]] | None = None
        torch.manual_seed(settings.seed)
        if settings.initial_model:
            self.network = load_road(Path(settings.initial_model))[0].train()
        else:
            self.network = RoadNetwork(settings.model)
        self.training, self.validation = _open(settings, out / 'cache', say)
        self.all_drives = [*self.training, *self.validation]
        self.notes = check_amount(*ways_m(self.training, self.validation), sum(map(len, self.training)))
        for line in road_overview(settings, self.network, self.training, self.validation):
            say(line)
        self.history: list[Point] = []
        self._begun = (time.monotonic(), 0)  # of the stage: when, at which step
        self.recorded_validation: list[RecordedDrive] = []
        self._saved_at = time.monotonic()
        self._optimizer_state: dict[str, Any] | None = None
        if resume:
            self._restore()
        elif (out / LAST).exists():
            raise SettingsError(f'{out} holds a run already. Go on with it (--resume), or choose another --out.')
        write_text(out / SETTINGS_FILE, as_yaml(settings))

    def train_patches(self) -> None:
        """The weights of patches."""
        stage, patches = self.settings.patches, self.network.patches
        if stage.steps and 'road' not in self.network.config.without:
            self._say('Running the road estimator over all drives once.')
            windows = PatchWindows([self._patches_of(drive) for drive in self.training], stage)
            held = [self._patches_of(drive) for drive in self.validation]
            if not len(windows):
                raise DatasetError(f'No drive has {stage.window} pairs in a row. Lower patches.window.')
            if self.step == 0:
                self._keep(*validate_patches(patches.eval(), held), 'untrained, loss nan')
            optimizer = self._optimizer(patches)
            recent: list[float] = []
            while self.step < stage.steps:
                rng = np.random.default_rng((self.settings.seed, 0, self.step))
                patches.train()
                loss = torch.stack([windows.loss(patches, rng) for _ in range(stage.batch_size)]).mean()
                self._descend(optimizer, patches, loss, stage)
                recent.append(float(loss.detach()))
                if self.step % stage.validate_every == 0 or self.step == stage.steps:
                    self._keep(*validate_patches(patches.eval(), held), f'loss {np.mean(recent):.3f}')
                    recent = []
                self._after_step(optimizer)
        self._next_stage()

    def train_windows(self) -> None:
        """What comes after the filter."""
        stage, network = self.settings.windows, self.network
        network.patches.requires_grad_(False)
        self._say('Running the road estimator with the learned weights over all drives once.')
        recorded = [self._record(drive) for drive in self.training]
        self.recorded_validation = [self._record(drive) for drive in self.validation]
        # And some with the road lost now and then, so that the other sources have something to say.
        recorded += self._record_losses(self.training, stage, 0)
        chosen_by = [*self.recorded_validation, *self._record_losses(self.validation, stage, 1)]
        windows = Windows(recorded, stage)
        if stage.steps and not len(windows):
            raise DatasetError(f'No drive has {stage.window} pairs in a row. Lower windows.window.')
        optimizer = self._optimizer(network)
        recent: list[float] = []
        if self._first_of_stage(stage):
            self._keep(*validate_windows(network.eval(), chosen_by, stage), 'as it began, loss nan')
        while self.step < stage.steps:
            rng = np.random.default_rng((self.settings.seed, 1, self.step))
            inputs, truth = windows.batch(rng)
            loss, _ = window_loss(network.train()(inputs), truth, stage)
            self._descend(optimizer, network, loss, stage)
            recent.append(float(loss.detach()))
            if self.step % stage.validate_every == 0 or self.step == stage.steps:
                score, figures = validate_windows(network.eval(), chosen_by, stage)
                self._keep(score, figures, f'loss {np.mean(recent):.3f}')
                recent = []
            self._after_step(optimizer)
        if self._best is not None:
            network.load_state_dict(self._best[1])
        network.eval()

    def _first_of_stage(self, stage: PatchStage | WindowStage) -> bool:
        """Whether the weights of another model are validated before they change: they may be the best there are."""
        return bool(self.settings.initial_model) and self.step == 0 and stage.steps > 0

    def _patches_of(self, drive: RoadDrive) -> PatchDrive:
        if self.stop:
            raise self._save_and_stop()
        return record_patches(drive)

    def _record(self, drive: RoadDrive, losses: Losses | None = None) -> RecordedDrive:
        if self.stop:
            raise self._save_and_stop()
        return record(drive, self.network.patches, losses)

    def _record_losses(self, drives: list[RoadDrive], stage: WindowStage, group: int) -> list[RecordedDrive]:
        """A share of the drives, evenly chosen, with the road lost from view now and then."""
        chosen = [i for i in range(len(drives)) if int((i + 1) * stage.blind) > int(i * stage.blind)]
        found = []
        for i in chosen:
            rng = np.random.default_rng((self.settings.seed, _LOSSES, group, i))
            found.append(self._record(drives[i], draw_losses(drives[i], stage, rng)))
        return found

    def _optimizer(self, module: nn.Module) -> torch.optim.Optimizer:
        weights = [parameter for parameter in module.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=1.0, weight_decay=self.settings.weight_decay)
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
            self._optimizer_state = None
        return optimizer

    def _descend(
        self, optimizer: torch.optim.Optimizer, module: nn.Module, loss: torch.Tensor, stage: PatchStage | WindowStage
    ) -> None:
        rising = min(1.0, (self.step + 1) / max(1, stage.warm_up_steps))
        rate = stage.learning_rate * rising * 0.5 * (1.0 + np.cos(np.pi * self.step / stage.steps))
        for group in optimizer.param_groups:
            group['lr'] = float(rate)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.settings.gradient_clip:
            nn.utils.clip_grad_norm_(module.parameters(), self.settings.gradient_clip)
        optimizer.step()
        self.step += 1

    def _keep(self, score: float, figures: dict[str, float], text: str) -> None:
        name = STAGES[self.stage]
        shown = ', '.join(f'{key} {value:.4g}' for key, value in figures.items())
        steps = (self.settings.patches.steps, self.settings.windows.steps)
        since, first = self._begun
        left_s = (time.monotonic() - since) / max(1, self.step - first) * (steps[self.stage] - self.step)
        self._say(f'{name} {self.step}: {text}; validation {shown}; {left_s / 60.0:.1f} min of this stage left')
        done = self.step + (steps[0] if self.stage else 0)
        self.history.append(Point(done, name, float(text.rpartition(' ')[2]), float(score), 'nll'))
        if self._best is None or score < self._best[0]:
            self._best = float(score), {key: tensor.clone() for key, tensor in self.network.state_dict().items()}
            self.figures = {f'{name}: {key}': float(value) for key, value in figures.items()}

    def _next_stage(self) -> None:
        if self._best is not None:
            self.network.load_state_dict(self._best[1])
        self.stage, self.step, self._best, self._begun = 1, 0, None, (time.monotonic(), 0)
        self._save(None)

    def _after_step(self, optimizer: torch.optim.Optimizer) -> None:
        if self.stop:
            self._save(optimizer)
            raise StoppedError
        if time.monotonic() - self._saved_at > _EVERY_S:
            self._save(optimizer)

    def _save_and_stop(self) -> StoppedError:
        self._save(None)
        return StoppedError()

    def _save(self, optimizer: torch.optim.Optimizer | None) -> None:
        state = {
            'settings': json.dumps(dataclasses.asdict(self.settings)),
            'stage': self.stage,
            'step': self.step,
            'network': self.network.state_dict(),
            'optimizer': None if optimizer is None else optimizer.state_dict(),
            'best': None if self._best is None else {'score': self._best[0], 'network': self._best[1]},
            'figures': self.figures,
            'history': [dict(vars(point)) for point in self.history],
        }
        with replacing(self._out / LAST) as temporary:
            torch.save(state, temporary)
        self._saved_at = time.monotonic()

    def _restore(self) -> None:
        path = self._out / LAST
        if not path.is_file():
            raise SettingsError(f'There is no {path} to go on from. Start without --resume.')
        state = torch.load(path, map_location='cpu', weights_only=True)
        if json.loads(state['settings']) != json.loads(json.dumps(dataclasses.asdict(self.settings))):
            raise SettingsError(
                f'{path} was trained with other settings. Resume with {self._out / SETTINGS_FILE}, or start a new run '
                'in another --out.'
            )
        self.stage, self.step, self.figures = state['stage'], state['step'], state['figures']
        self.history = points_from(state.get('history', ()))
        self._begun = (time.monotonic(), self.step)
        self.network.load_state_dict(state['network'])
        self._optimizer_state = state['optimizer']
        if state['best'] is not None:
            self._best = state['best']['score'], state['best']['network']


@contextmanager
def _stopping(run: _Run) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run after the step at hand; a second one ends it at once."""

    def ask(number: int, frame: object) -> None:
        if run.stop:
            raise KeyboardInterrupt
        run.stop = True

    handlers = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _open(settings: RoadTrainSettings, cache: Path, say: Say) -> tuple[list[RoadDrive], list[RoadDrive]]:
    """The drives to train on and to validate with."""
    data = settings.data
    available = {path.name: path for path in find_sequences(place(data.folder))}
    held = set(data.validation_sequences)
    if not held:  # those that synthesize-set names so, else every tenth drive, the first of them included
        held = {name for name in available if name.startswith('validation_')}
    if not held:
        share = data.validation_share
        names = sorted(available)
        held = {name for i, name in enumerate(names) if share and i % max(1, round(1.0 / share)) == 0}
    names = list(data.sequences) or [name for name in available if name not in held]
    for name in (*names, *held):
        if name not in available:
            raise DatasetError(
                f'{data.folder} has no prepared sequence {name}. It has: {", ".join(available)}. Choose from these.'
            )
    if not held or not names:
        raise DatasetError(
            'No drive is left for training or for validation. Split a bag: `atvio prepare BAG --to S`, and '
            '`atvio prepare BAG --from S --validation`; or prepare more, or name them in data.'
        )
    say(f'{len(names)} drives to train on, {len(held)} to validate with; finding their directions of travel.')
    training, validation = ([RoadDrive(available[name], cache) for name in group] for group in (names, sorted(held)))
    return training, validation
