"""From the trained network to the model file and its card: what the settings ask for, the error model, the figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from atvio_ros.calibration.noise_fit import fit_noise
from atvio_ros.calibration.noise_remarks import fit_remarks
from atvio_ros.files import write_text
from atvio_ros.network.atvio import Atvio
from atvio_ros.network.checkpoint import load_model, save_model, save_with_card
from atvio_ros.training.dataset import Split, WindowDataset
from atvio_ros.training.model_card import card_text, make_card
from atvio_ros.training.settings import TrainSettings
from atvio_ros.training.validation import validation_figures
from atvio_ros.training.validation_errors import validation_errors

LEAST_RESIDUAL_STD = 1e-9  # rad; that a configuration may hold


def export_model(
    model: Path,
    network: Atvio,
    settings: TrainSettings,
    dataset: WindowDataset,
    split: Split,
    figures: Mapping[str, float],
    notes: Sequence[str] = (),
    curves: str = '',
) -> tuple[str, ...]:
    """Write the model file and, beside it, its card; `figures` are those of the validation that chose the weights.

    `notes` are what a user should know so far; returned are all of them, the card's. `curves`: a picture beside it.
    Covariances are fitted to what the file gives on the validation data; where the export changes the network, its
    figures there are measured again and stand beside the others. Raises ModelError as save_model does.
    """
    export = settings.export
    network = with_gyro_correction(network.cpu().eval(), export.gyro_correction)
    card = make_card(settings, split, figures, network.config, notes)
    save_model(model, network, card, half=export.half)
    stored, _ = load_model(model)
    if export.half or export.gyro_correction != 1.0:
        measured = {**figures, **validation_figures(stored, dataset, split)}
        card = make_card(settings, split, measured, network.config, notes)
    errors = validation_errors(stored, dataset, split)
    noise = fit_noise(errors, 'the validation data of its training')
    card = dataclasses.replace(card, noise=noise, notes=(*card.notes, *fit_remarks(errors, noise)))
    save_with_card(model, model, card)
    write_text(model.with_suffix('.md'), card_text(stored.config, card, split, curves))
    return card.notes


def with_gyro_correction(network: Atvio, strength: float) -> Atvio:
    """The network with its correction to the gyro (rotation gyro_residual) at this strength of that trained."""
    if strength == 1.0:
        return network
    x, y, z = (max(strength * std, LEAST_RESIDUAL_STD) for std in network.config.residual_std)
    changed = Atvio(dataclasses.replace(network.config, residual_std=(x, y, z)))
    changed.load_state_dict(network.state_dict())
    return changed.eval()
