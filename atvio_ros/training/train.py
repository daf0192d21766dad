"""A training run, from prepared data to a model file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.accelerators import CUDAAccelerator, MPSAccelerator
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from atvio_ros.drives.remote import Place, place
from atvio_ros.errors import DatasetError, SettingsError
from atvio_ros.files import write_text
from atvio_ros.network.atvio import Atvio
from atvio_ros.network.checkpoint import load_model
from atvio_ros.network.config import AtvioConfig
from atvio_ros.network.road_file import is_road_file
from atvio_ros.settings import from_mapping
from atvio_ros.training.amount import check_amount
from atvio_ros.training.callbacks import Progress, Report, StopOnSignal
from atvio_ros.training.checkpoint_files import LAST, WholeCheckpoints, read_checkpoint
from atvio_ros.training.checkpoints import KeepCheckpoints, best_of, network_weights, noted, trained_on
from atvio_ros.training.curves import CURVES, draw_curves
from atvio_ros.training.dataset import Split, WindowDataset, open_split
from atvio_ros.training.export import export_model
from atvio_ros.training.gyro_calibration import calibrated
from atvio_ros.training.module import NETWORK_CONFIG, SETTINGS, TrainingData, TrainingModule
from atvio_ros.training.normalisation import normalised
from atvio_ros.training.overview import overview
from atvio_ros.training.plan import Plan
from atvio_ros.training.settings import TrainSettings, differences, may_change, plain, to_yaml
from atvio_ros.training.validation import figures_words, validation_figures

SETTINGS_FILE = 'settings.yaml'
NOT_VALIDATED = 'Exported before any validation: the weights are those of step'


@dataclass(frozen=True)
class Hardware:
    """Where to train. Several devices train with Lightning's DDP, each on batches of its own."""

    accelerator: str = 'auto'  # auto, cpu, gpu
    devices: int = 1  # on each node
    nodes: int = 1


@dataclass(frozen=True)
class TrainingResult:
    """What a run left behind."""

    model: Path
    card: Path
    figures: dict[str, float]  # of the validation that chose the model, by the names they are logged under
    steps: int
    interrupted: bool
    notes: tuple[str, ...] = ()  # what a user of the model should know, those of its card


def train(
    settings: TrainSettings,
    out: Path,
    *,
    resume: bool = False,
    hardware: Hardware | None = None,
    show: Callable[[Progress], None] = lambda progress: None,
    say: Callable[[str], None] = lambda line: None,
) -> TrainingResult:
    """Train as `settings` say and leave the model, its card, checkpoints, logs and the settings in the folder `out`.

    `say` gets what is trained on what, before it begins; `show` the progress.
    With `resume` the run in `out` goes on from its last.ckpt, bit for bit on one device. Raises SettingsError,
    DatasetError or ModelError before anything is trained.
    """
    hardware = hardware or Hardware()
    _check_hardware(hardware)
    seed_everything(settings.seed, verbose=False)
    saved = _saved_run(out, settings) if resume else None
    network, split, notes = _network_and_data(settings, saved)
    if saved:
        _check_data(trained_on(saved), split, settings.data.folder)
    plan = Plan(split, settings, hardware.devices * hardware.nodes)
    dataset = WindowDataset(split.sequences, network.config)
    data = TrainingData(dataset, split, plan)
    module = TrainingModule(network, settings, plan, dataset)
    checkpoints = KeepCheckpoints(out, plan, data=split.contents(), notes=notes)
    stop = StopOnSignal(checkpoints, plan)
    if not resume:
        _begin(out, settings)
    trainer = _make_trainer(settings, out, hardware, plan, [checkpoints, stop, Report(data, show)], saved)
    for line in overview(settings, network, split, plan, str(trainer.strategy.root_device)):
        say(line)
    for note in notes:
        say(f'NOTE: {note}')
    if settings.initial_model and not saved and trainer.is_global_zero:
        before = validation_figures(network.eval(), dataset, split, 'val/')
        network.train()
        say(f'As it begins: validation {figures_words(before)}.')
    trainer.fit(module, data, ckpt_path=out / LAST if saved else None)
    model, steps = out / f'{network.config.name}.safetensors', int(trainer.global_step)
    last = plan.stages[-1].name
    figures = checkpoints.best.get(last, {})
    if trainer.is_global_zero:
        if figures:
            network.load_state_dict(network_weights(best_of(out, last)))
        else:
            notes = (*notes, f'{NOT_VALIDATED} {steps}, and nothing was measured. Let the run go on (--resume).')
        drawn = draw_curves(out / CURVES, checkpoints.history, f'{network.config.name}, {out.name}')
        notes = export_model(
            model, network, settings, dataset, split, figures or {'step': steps}, notes, CURVES if drawn else ''
        )
    return TrainingResult(model, model.with_suffix('.md'), figures, steps, stop.asked, notes)


def _check_hardware(hardware: Hardware) -> None:
    """Raise SettingsError if this machine lacks what was asked for."""
    for option, number in (('--devices', hardware.devices), ('--num-nodes', hardware.nodes)):
        if number < 1:
            raise SettingsError(f'{option} must be at least 1, not {number}.')
    gpu = MPSAccelerator if MPSAccelerator.is_available() else CUDAAccelerator
    if hardware.accelerator == 'cpu' or (hardware.accelerator == 'auto' and not gpu.is_available()):
        return
    try:
        gpu.parse_devices(hardware.devices)
    except MisconfigurationException as error:
        found = gpu.auto_device_count() if gpu.is_available() else 0
        raise SettingsError(
            f'--accelerator {hardware.accelerator} with --devices {hardware.devices} needs as many GPUs, and this '
            f'machine offers {found}. Choose --accelerator auto or cpu, or fewer --devices.'
        ) from error


def _network_and_data(settings: TrainSettings, saved: dict[str, Any] | None) -> tuple[Atvio, Split, tuple[str, ...]]:
    """The network with its first weights, the data, whose pairing depends on the network's gyro lag, and remarks."""
    largest_skip = max(settings.augmentation.frame_skips)
    folder = place(settings.data.folder)
    notes: tuple[str, ...] = ()
    if saved:
        config = from_mapping(AtvioConfig, json.loads(saved[NETWORK_CONFIG]), 'network')
        network = Atvio(config)
    elif settings.initial_model:
        network, notes = _initial_network(settings, folder)
    else:
        config = settings.model
        if settings.calibrate_gyro:
            config, notes = calibrated(config, open_split(folder, settings.data, config, largest_skip=1))
        if settings.normalise:
            config, more = normalised(config, open_split(folder, settings.data, config, largest_skip=1))
            notes += more
        network = Atvio(config)
    if settings.export.gyro_correction != 1.0 and network.config.rotation != 'gyro_residual':
        raise SettingsError(
            f'export.gyro_correction is for networks that correct the gyro, which {network.config.name} does not. '
            'Leave it out.'
        )
    split = open_split(folder, settings.data, network.config, largest_skip)
    if not split.stretches():
        raise DatasetError('No images are left for validation. Raise data.validation_share.')
    if saved:
        return network, split, noted(saved)
    images = sum(int(kept.sum()) for kept in split.training)
    return network, split, (*check_amount(*split.ways_m(), images), *notes)


def _initial_network(settings: TrainSettings, folder: Place) -> tuple[Atvio, tuple[str, ...]]:
    """The network of another model file, its gyro fitted to the new data if that is asked for, and remarks on that."""
    path = Path(settings.initial_model)
    if is_road_file(path):
        raise SettingsError(
            f'{path} is a network road, which this recipe does not train. Take one with `variant: road`, as '
            'config/fine_tune.yaml.'
        )
    network = load_model(path)[0].train()
    if not settings.calibrate_gyro:
        return network, ()
    old = network.config
    fitted, notes = calibrated(old, open_split(folder, settings.data, old, largest_skip=1))
    adapted = Atvio(dataclasses.replace(fitted, residual_std=old.residual_std))  # which the weights are scaled to
    adapted.load_state_dict(network.state_dict())
    return adapted.train(), notes


def _begin(out: Path, settings: TrainSettings) -> None:
    """Make the folder of a new run; only the first process does."""
    if rank_zero_only.rank:
        return
    if (out / LAST).exists():
        raise SettingsError(f'{out} holds a run already. Go on with it (--resume), or choose another --out.')
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / SETTINGS_FILE, to_yaml(settings))
    except OSError as error:
        raise SettingsError(f'{out} cannot be written: {error.strerror}. Choose another --out.') from error


def _saved_run(out: Path, settings: TrainSettings) -> dict[str, Any]:
    """The checkpoint to go on from. Raises SettingsError if it is of other settings."""
    path = out / LAST
    if not path.is_file():
        raise SettingsError(f'There is no {path} to go on from. Start without --resume.')
    saved = read_checkpoint(path)
    needed = {SETTINGS, NETWORK_CONFIG, 'global_step', 'state_dict', 'optimizer_states', 'lr_schedulers', 'loops'}
    if not needed <= saved.keys():
        raise SettingsError(f'{path} is no checkpoint of `atvio train`. Start a new run in another --out.')
    changed = [name for name in differences(json.loads(saved[SETTINGS]), plain(settings)) if not may_change(name)]
    if changed:
        raise SettingsError(
            f'{path} was trained with other settings ({", ".join(changed)}). '
            f'Resume with {out / SETTINGS_FILE}, or start a new run in another --out.'
        )
    return saved


def _check_data(before: dict[str, str], split: Split, folder: str) -> None:
    """Raise DatasetError where a run would go on with other data than it began with."""
    now = split.contents()
    if missing := sorted(before.keys() - now.keys()):
        raise DatasetError(
            f'{folder} lacks the sequence {missing[0]}, which this run is trained on. Prepare it again, or start a new '
            'run in another --out.'
        )
    if other := [name for name, content in now.items() if before and before.get(name) != content]:
        raise DatasetError(
            f'The sequence {other[0]} in {folder} is not what this run is trained on. Put the old one back, or start a '
            'new run in another --out.'
        )


def _make_trainer(
    settings: TrainSettings,
    out: Path,
    hardware: Hardware,
    plan: Plan,
    callbacks: Sequence[Callback],
    saved: dict[str, Any] | None,
) -> Trainer:
    done = saved['global_step'] if saved else 0
    logs = f'from_step_{done:07d}'
    many = hardware.devices * hardware.nodes > 1
    return Trainer(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        num_nodes=hardware.nodes,
        strategy='ddp' if many else 'auto',
        precision=settings.precision,
        logger=[CSVLogger(out / 'logs', 'csv', logs), TensorBoardLogger(out / 'logs', 'tensorboard', logs)],
        callbacks=list(callbacks),
        plugins=[WholeCheckpoints()],
        max_epochs=1,  # Lightning sees the whole run as one epoch: then every checkpoint is one amid it
        max_time=timedelta(hours=settings.max_hours) if settings.max_hours else None,
        val_check_interval=plan.next_validation(max(0, done - 1)),  # of a resumed run, that which it was saved in
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=settings.gradient_clip or None,
        log_every_n_steps=min(10, plan.steps),
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=out,
    )
