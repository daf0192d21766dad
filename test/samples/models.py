"""Tiny model files, for the tests."""

from __future__ import annotations

from pathlib import Path

from atvio_ros.network.atvio import Atvio
from atvio_ros.network.checkpoint import ModelCard, save_model
from atvio_ros.network.config import AtvioConfig


def write_tiny_model(path: Path, **config: object) -> Path:
    """A model of a few kilobytes for images of 32x64, by default without an inertial encoder."""
    tiny = {
        'name': 'tiny', 'visual_widths': (4, 4, 4), 'lstm_hidden': 4, 'image_height_px': 32, 'image_width_px': 64,
        'inertial_encoder': 'none', 'fusion': 'direct_cat',
    }  # fmt: skip
    save_model(path, Atvio(AtvioConfig(**{**tiny, **config})), ModelCard(trained=True))  # type: ignore[arg-type]
    return path
