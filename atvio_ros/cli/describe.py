"""`atvio describe`: layers, shapes, parameters and MACs of a model file or of a variant."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atvio_ros.network.description import Layer

EXAMPLES = """
atvio describe
atvio describe --variant ca_b
atvio describe --model mine.safetensors --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument('--model', type=Path, metavar='FILE', help='model file (default: the shipped one)')
    source.add_argument('--variant', metavar='NAME', help='a variant by name, without weights: ca_a, ca_b, ...')
    parser.add_argument('--json', action='store_true', help='print one JSON object instead of a table')


def run(arguments: argparse.Namespace) -> None:
    """Print the description."""
    from atvio_ros.network.card import default_model_path
    from atvio_ros.network.checkpoint import load_model, untrained_model
    from atvio_ros.network.description import PARTS, describe, layers
    from atvio_ros.network.road_file import is_road_file

    path = None if arguments.variant else arguments.model or default_model_path()
    if arguments.variant == 'road' or (path is not None and is_road_file(path)):
        _describe_road(path, arguments.json)
        return
    if path:
        model, card = load_model(path)
        origin = f'{path} ({"trained" if card.trained else "untrained weights"})'
    else:
        model = untrained_model(arguments.variant or 'ca_a')
        origin = 'without weights'
    figures = describe(model)
    if arguments.json:
        print(json.dumps(figures, indent=1))
        return
    print(f'{figures["variant"]}, {origin}\n')
    rows = layers(model)
    name, kind, shape = (max(len(text) for text in texts) for texts in zip(*map(_texts, rows), strict=True))
    print(f'{"layer":<{name}} {"kind":<{kind}} {"output":<{shape}}{"weights":>11}{"MACs":>11}')
    for layer in rows:
        texts = ' '.join(text.ljust(width) for text, width in zip(_texts(layer), (name, kind, shape), strict=True))
        print(f'{texts}{layer.parameters:>11,}{layer.macs:>11,}')
    parts = name + kind + shape + 2
    print(f'\n{"part":<{parts}}{"weights":>11}')
    for part in PARTS:
        print(f'{part:<{parts}}{figures["parameters"][part]:>11,}')
    print(f'{"total":<{parts}}{figures["parameters"]["total"]:>11,}')
    print(f'MACs of one frame pair: {figures["macs"]:,}')
    print(f'visual features: {" x ".join(map(str, figures["feature_shape"]))}')


def _texts(layer: Layer) -> tuple[str, str, str]:
    return layer.name, layer.kind, 'x'.join(map(str, layer.output_shape))


def _describe_road(path: Path | None, as_json: bool) -> None:
    """Print the parts of a network `road`; None: one without weights."""
    from atvio_ros.network.description import count_parameters
    from atvio_ros.network.road_file import load_road, untrained_road

    model, card = load_road(path) if path is not None else (untrained_road(), None)
    parts = {name: count_parameters(part) for name, part in model.named_children()}
    if as_json:
        parameters = {'total': count_parameters(model), **parts}
        print(json.dumps({'variant': model.config.name, 'parameters': parameters}, indent=1))
        return
    origin = 'without weights' if card is None else f'{path} ({"trained" if card.trained else "untrained weights"})'
    print(f'{model.config.name}, {origin}\n')
    print(f'{"part":<42}{"parameters":>12}')
    for name, count in parts.items():
        print(f'{name:<42}{count:>12,}')
    print(f'{"total":<42}{count_parameters(model):>12,}')
