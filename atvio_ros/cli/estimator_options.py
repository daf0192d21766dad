"""What commands that run an estimator share: which one, on what, and a note where its weights mean nothing."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from atvio_ros.cli import common

if TYPE_CHECKING:
    from atvio_ros.odometry.pipeline import Estimator

UNTRAINED = (
    'NOTE: no trained model is shipped or was named, so the network has UNTRAINED random weights. This shows that the '
    'machinery works; the trajectory means nothing.'
)


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """--device."""
    parser.add_argument(
        '--device', metavar='NAME', default='auto', help='of the network: auto, cpu, cuda or cuda:1 (default: auto)'
    )


def add_estimator_options(parser: argparse.ArgumentParser) -> None:
    """--estimator, --model, --device and --backend."""
    parser.add_argument(
        '--estimator',
        choices=('road', 'geometry', 'network'),
        default='',
        help='what tells the motion between two images; geometry is road with nothing learned (default: the network '
        'where --model is given, else road)',
    )
    parser.add_argument(
        '--model',
        type=Path,
        metavar='FILE',
        help='model file (.safetensors or .onnx) of the network, or of the weights of the road estimator (default: the '
        'shipped one)',
    )
    add_device_option(parser)
    parser.add_argument(
        '--backend',
        choices=('auto', 'torch', 'onnxruntime'),
        default='auto',
        help='what runs the network (default: auto, onnxruntime where an ONNX file is there and torch otherwise)',
    )


def chosen_estimator(arguments: argparse.Namespace) -> Estimator:
    """What add_estimator_options parsed; notes untrained weights on stderr. Raises SettingsError, ModelError."""
    from atvio_ros.odometry.estimators import choose_estimator

    estimator = choose_estimator(arguments.estimator, arguments.model, arguments.device, backend=arguments.backend)
    note_untrained(estimator)
    return estimator


def note_untrained(estimator: Estimator) -> None:
    """Note untrained weights on stderr."""
    if not estimator.trained:
        common.note_console().print(UNTRAINED)
