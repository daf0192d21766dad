"""An ONNX file of ours, opened by ONNX Runtime: its metadata and one call, without PyTorch."""

from __future__ import annotations

import mmap
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import ArrayLike, NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as states

from atvio_ros.errors import ModelError
from atvio_ros.network.card import one_line

Arrays = Mapping[str, ArrayLike]
Shapes = Mapping[str, tuple[int, ...]]

_MOST_BYTES = 1 << 30  # our largest variant is 40 MB
_CUDA = 'CUDAExecutionProvider'
# The key `location` of a tensor's external data, as Protocol Buffers write it (also with numbers longer than needed).
_ELSEWHERE = re.compile(rb'(?:\x0a|\x8a\x80*\x00)(?:\x08|\x88\x80*\x00)location')
_FLOAT = 'tensor(float)'
_TYPES: dict[str, np.dtype[Any]] = {_FLOAT: np.dtype(np.float32), 'tensor(uint8)': np.dtype(np.uint8)}
_FAILURES = (  # what ONNX Runtime raises; they have no class in common
    states.Fail, states.InvalidArgument, states.InvalidGraph, states.InvalidProtobuf, states.NotImplemented,
    states.NoSuchFile, states.NoModel, states.EngineError, states.RuntimeException, states.EPFail, RuntimeError,
    UnicodeDecodeError,  # where its words hold names from a damaged file
)  # fmt: skip


class OnnxGraph:
    """A graph of fixed sizes. It has no state: whoever calls it hands the memory on."""

    def __init__(self, path: Path, content: bytes | None = None, device: str = 'auto', threads: int = 1) -> None:
        """`content` is what stands in `path`, where that is known already. Raises ModelError."""
        self.path = path
        try:
            if content is None:
                _check_file(path)
            # From the disk: a session keeps bytes that it is given for good.
            source = str(path) if content is None else content
            self._session = onnxruntime.InferenceSession(source, _options(threads), providers=providers(device))
            self._read()
        except FileNotFoundError as error:
            raise ModelError(f'There is no model file {path}. Check the path.') from error
        except (OSError, *_FAILURES) as error:
            raise ModelError(
                f'{path} is not a whole ONNX file that ONNX Runtime can run ({one_line(error)[:300]}). '
                'Export it again: atvio export-onnx.'
            ) from error

    def _read(self) -> None:
        """Metadata, inputs and outputs."""
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self.inputs = {node.name: tuple(node.shape) for node in self._session.get_inputs()}
        self._types = {node.name: _TYPES.get(node.type) for node in self._session.get_inputs()}
        self._outputs = [node.name for node in self._session.get_outputs()]
        self._answers = {node.name: (node.type, tuple(node.shape)) for node in self._session.get_outputs()}

    @property
    def device(self) -> str:
        """Where it runs and by what, for people."""
        on_cuda = self._session.get_providers()[0] == _CUDA
        return f'{"cuda" if on_cuda else "cpu"} (ONNX Runtime)'

    def check(self, inputs: Shapes, outputs: tuple[str, ...] | Shapes) -> None:
        """Raise ModelError unless the graph takes some of these inputs, in these shapes, and gives these outputs.

        Outputs are float32, in the shapes that are told of them; a memory that comes out fits where it goes in.
        """
        wrong = [f'{name} {shape}' for name, shape in self.inputs.items() if inputs.get(name) != shape]
        wrong += [f'{name} of another type' for name, kind in self._types.items() if kind is None]
        for name in outputs:
            kind, shape = self._answers.get(name, ('nothing', ()))
            expected = outputs[name] if isinstance(outputs, Mapping) else inputs.get(name.removeprefix('next_'))
            if kind != _FLOAT or (expected is not None and shape != expected):
                wrong.append(f'output {name} is {kind} {shape}')
        if wrong:
            what = ' '.join(wrong[0].split())[:200]
            raise ModelError(f'{self.path} contradicts its own configuration: {what}. Export it again.')

    def run(self, arrays: Arrays) -> dict[str, NDArray[np.float32]]:
        """Outputs by name. Arrays that the graph does not take are left out. Raises ModelError."""
        feed: dict[str, NDArray[Any]] = {name: np.asarray(arrays[name], dtype) for name, dtype in self._types.items()}
        try:
            return dict(zip(self._outputs, self._session.run(None, feed), strict=True))
        except _FAILURES as error:
            raise ModelError(
                f'{self.path} cannot be run: {one_line(error)[:300]}. Export it again with `atvio export-onnx`.'
            ) from error


def providers(device: str) -> list[tuple[str, dict[str, Any]]]:
    """What ONNX Runtime is to run on. Raises ModelError on a device that it does not have here."""
    kind, _, number = device.partition(':')
    if kind not in ('auto', 'cpu', 'cuda') or (number and (kind != 'cuda' or not number.isdecimal())):
        raise ModelError(f'device {device!r} is not supported. Use auto, cuda or cpu.')
    has_cuda = _CUDA in onnxruntime.get_available_providers()
    if kind == 'cuda' and not has_cuda:
        raise ModelError(
            'device is cuda, but this ONNX Runtime has no CUDA: python3 -m pip install onnxruntime-gpu, in the place '
            'of onnxruntime. Or set device to auto or cpu.'
        )
    on_cuda = [(_CUDA, {'device_id': int(number or 0)})] if has_cuda and kind != 'cpu' else []
    return [*on_cuda, ('CPUExecutionProvider', {})]


def _check_file(path: Path) -> None:
    """Refuse what is too large, and what refers to other files, which ONNX Runtime would read."""
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise ModelError(f'{path} has {size} bytes, too many for a model of this package. Name another model file.')
    if size:
        with path.open('rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.find(b'location') >= 0 and _ELSEWHERE.search(content):  # the first is much quicker
                raise ModelError(f'{path} refers to other files for its weights. Export it again: atvio export-onnx.')


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors are raised; warnings are of no use to whoever runs a robot
    return options
