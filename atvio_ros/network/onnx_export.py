"""Networks as ONNX graphs of fixed sizes (onnx_interface.py), with the metadata of the model file."""

from __future__ import annotations

import copy
import hashlib
import inspect
import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from atvio_ros.errors import ModelError
from atvio_ros.network.atvio import Atvio
from atvio_ros.network.card import ModelCard, metadata_of, one_line
from atvio_ros.network.checkpoint import model_hash
from atvio_ros.network.onnx_interface import (
    OPSET,
    PATCH_OUTPUTS,
    ROAD_OUTPUTS,
    pair_inputs,
    pair_outputs,
    patch_inputs,
    road_inputs,
)
from atvio_ros.network.road_file import road_hash
from atvio_ros.network.road_network import RoadInputs, RoadNetwork

_IMAGES = ('images', 'views')  # uint8; all others are float32


def pair_graph(model: Atvio, card: ModelCard, source: Path | None = None) -> bytes:
    """An ONNX file of a network of the paper; `source` is its model file. Raises ModelError where it cannot be made."""
    metadata = metadata_of(model.config, card) | {'digest': model_hash(model), **source_metadata(source)}
    return _graph(_Pair(model), pair_inputs(model.config), tuple(pair_outputs(model.config)), metadata)


def road_graphs(model: RoadNetwork, card: ModelCard, source: Path | None = None) -> tuple[bytes, bytes]:
    """Two ONNX files of a network `road`: all that comes after the filter, and the road branch before it."""
    metadata = metadata_of(model.config, card) | {'digest': road_hash(model), **source_metadata(source)}
    return (
        _graph(_Rest(model), road_inputs(model.config), ROAD_OUTPUTS, metadata),
        _graph(model.patches, patch_inputs(), PATCH_OUTPUTS, metadata),
    )


def source_metadata(source: Path | None) -> dict[str, str]:
    """What tells whether an export is of a model file as it is now."""
    return {} if source is None else {'source_sha256': hashlib.sha256(source.read_bytes()).hexdigest()}


class _Pair(nn.Module):
    def __init__(self, model: Atvio) -> None:
        super().__init__()
        self.model = copy.deepcopy(model)

    def forward(
        self,
        images: Tensor,
        imu: Tensor,
        interval_s: Tensor,
        hidden: Tensor,
        cell: Tensor,
        R_camera_imu: Tensor | None = None,
        gyro_bias: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        if R_camera_imu is not None:  # of the robot, so they are inputs and no constants
            motion: Any = self.model.motion
            motion.R_camera_imu, motion.gyro_bias = R_camera_imu, gyro_bias
        output = self.model(images, imu, interval_s, (hidden, cell))
        return output.motion, output.attention, *output.state


class _Rest(nn.Module):
    def __init__(self, model: RoadNetwork) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        *of_pair, hidden, cell = inputs
        output = self.model(RoadInputs(*of_pair), (hidden, cell))
        return output.motion, output.log_sigma, output.attention, *output.state


def _graph(
    module: nn.Module, inputs: Mapping[str, tuple[int, ...]], outputs: tuple[str, ...], metadata: Mapping[str, str]
) -> bytes:
    """By tracing, which fixes all sizes; PyTorch's newer exporter needs another package and ten times as long."""
    blank = tuple(
        torch.zeros(shape, dtype=torch.uint8 if name in _IMAGES else torch.float32) for name, shape in inputs.items()
    )
    file = io.BytesIO()
    export: Any = torch.onnx.export
    chosen = {'dynamo': False} if 'dynamo' in inspect.signature(export).parameters else {}  # not before PyTorch 2.5
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # that tracing fixes sizes, which is meant
            export(
                module.eval(),
                blank,
                file,
                input_names=list(inputs),
                output_names=list(outputs),
                opset_version=OPSET,
                **chosen,
            )
    except (RuntimeError, torch.onnx.OnnxExporterError) as error:
        raise ModelError(
            f'PyTorch cannot export this network to ONNX: {one_line(error)[:300]}. Try another version of PyTorch.'
        ) from error
    model = onnx.load_model_from_string(file.getvalue())
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
