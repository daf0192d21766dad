"""What makes a network faster? `python -m benchmarks.backends --model models/ca_a.safetensors [--rounds N]`.

Runs one network of the paper in several ways, one frame pair after another with its memory carried along, and prints
processor time a pair. Ways take turns, so that whatever else runs on the machine is shared; the median of the rounds
counts. OpenVINO is measured where it is installed, torch.compile where there is a C++ compiler and `--compile`.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch.nn.utils.fusion import fuse_conv_bn_eval

from atvio_ros.network.atvio import Atvio
from atvio_ros.network.card import ModelCard
from atvio_ros.network.checkpoint import load_model
from atvio_ros.network.onnx_export import pair_graph
from atvio_ros.network.onnx_interface import pair_inputs

PAIRS, WARM_UP = 30, 5
TWO_THREADS = 'PyTorch, two threads'

Step = Callable[[], np.ndarray]


def main() -> None:
    """Print a table: processor time of a pair by each way, and how far its motion is off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', type=Path, required=True, metavar='FILE')
    parser.add_argument('--rounds', type=int, default=9, metavar='N')
    parser.add_argument('--compile', action='store_true', help='torch.compile, too, which takes minutes')
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, card = load_model(arguments.model)
    inputs = random_inputs(model)
    with tempfile.TemporaryDirectory() as folder:
        ways = {**torch_ways(model, inputs, arguments.compile), **onnx_ways(model, card, inputs, Path(folder))}
        expected = next(iter(ways.values()))()
        apart = {name: float(np.abs(step() - expected).max()) for name, step in ways.items()}
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(arguments.rounds):
            for name, step in ways.items():
                torch.set_num_threads(2 if name == TWO_THREADS else 1)
                times[name].append(milliseconds(step))
    print(f'| {model.config.name} | ms of processor time a pair | motion differs by |\n|---|---|---|')
    for name, taken in times.items():
        print(f'| {name} | {statistics.median(taken):.2f} | {apart[name]:.1e} |')


def milliseconds(step: Step) -> float:
    """Processor time of one pair, the mean of many."""
    for _ in range(WARM_UP):
        step()
    start = time.process_time()
    for _ in range(PAIRS):
        step()
    return 1000.0 * (time.process_time() - start) / PAIRS


def random_inputs(model: Atvio) -> dict[str, np.ndarray]:
    """Noise in the place of one pair, and an empty memory."""
    rng = np.random.default_rng(0)
    arrays = {name: np.zeros(shape, np.float32) for name, shape in pair_inputs(model.config).items()}
    arrays['images'] = rng.integers(0, 256, arrays['images'].shape, dtype=np.uint8)
    arrays['imu'] = rng.normal(0.0, 0.1, arrays['imu'].shape).astype(np.float32)
    arrays['interval_s'][:] = 0.1
    if 'R_camera_imu' in arrays:
        arrays['R_camera_imu'] = np.array(model.config.R_camera_imu, np.float32)
    return arrays


def torch_ways(model: Atvio, inputs: dict[str, np.ndarray], compiled: bool) -> dict[str, Step]:
    """PyTorch as it ships, and with one thing changed."""
    tensors = [torch.from_numpy(inputs[name]) for name in ('images', 'imu', 'interval_s')]

    def step(network: Any, mode: Callable[[], Any] = torch.inference_mode) -> Step:
        def run() -> np.ndarray:
            with mode():
                motion: np.ndarray = network(*tensors).motion.detach().numpy()
            return motion

        return run

    rows = copy.deepcopy(model)
    rows.visual_encoder.to(memory_format=torch.contiguous_format)
    ways = {
        'PyTorch, as it ships: channels_last, inference_mode, one thread': step(model),
        'no_grad instead of inference_mode': step(model, torch.no_grad),
        'with gradients': step(model, torch.enable_grad),
        'without channels_last': step(rows),
        'batch norm folded into convolutions': step(folded(model)),
        'bfloat16 (autocast)': step(model, lambda: torch.autocast('cpu', torch.bfloat16)),
        TWO_THREADS: step(model),
    }
    if compiled:
        ways['torch.compile'] = step(torch.compile(copy.deepcopy(model)))
    return ways


def folded(model: Atvio) -> Atvio:
    """A copy whose visual encoder has no batch norms of its own. Plain encoders only."""
    made = copy.deepcopy(model)
    layers: list[torch.nn.Module] = []
    for layer in made.visual_encoder:
        if isinstance(layer, torch.nn.BatchNorm2d) and isinstance(layers[-1], torch.nn.Conv2d):
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
        else:
            layers.append(layer)
    made.visual_encoder = torch.nn.Sequential(*layers).to(memory_format=torch.channels_last)
    return made.eval()


def onnx_ways(model: Atvio, card: ModelCard, inputs: dict[str, np.ndarray], folder: Path) -> dict[str, Step]:
    """ONNX Runtime as it ships, and with one thing changed; OpenVINO."""
    file, quantised = folder / 'network.onnx', folder / 'quantised.onnx'
    file.write_bytes(pair_graph(model, card))
    quantise(file, quantised)
    ways = {
        'ONNX Runtime, as it ships: one thread': session_step(file, inputs),
        'input and output buffers bound once': bound_step(file, inputs),
        'without extended optimisations': session_step(
            file, inputs, level=onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        ),
        'ONNX Runtime, two threads': session_step(file, inputs, threads=2),
        'weights of products in int8': session_step(quantised, inputs),
    }
    if importlib.util.find_spec('openvino'):
        ways['OpenVINO, one thread, float32'] = openvino_step(file, inputs)
    return ways


def quantise(file: Path, to: Path) -> None:
    """Matrix products with weights in int8 and activations that are scaled as they come; the metadata stay."""
    quantize_dynamic(file, to, weight_type=QuantType.QInt8, op_types_to_quantize=['MatMul', 'Gemm'])
    graph = onnx.load(to)
    del graph.metadata_props[:]
    graph.metadata_props.extend(onnx.load(file).metadata_props)
    onnx.save(graph, to)


def make_session(file: Path, threads: int = 1, level: Any = None) -> Any:
    """A session as the odometry has it, but for what is given."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    if level is not None:
        options.graph_optimization_level = level
    return onnxruntime.InferenceSession(str(file), options, providers=['CPUExecutionProvider'])


def session_step(file: Path, inputs: dict[str, np.ndarray], threads: int = 1, level: Any = None) -> Step:
    """One call with arrays in and out."""
    session = make_session(file, threads, level)
    feed = {node.name: inputs[node.name] for node in session.get_inputs()}
    return lambda: session.run(None, feed)[0]


def bound_step(file: Path, inputs: dict[str, np.ndarray]) -> Step:
    """One call in buffers that are made once."""
    session = make_session(file)
    binding = session.io_binding()
    for node in session.get_inputs():
        binding.bind_cpu_input(node.name, inputs[node.name])
    outputs = {node.name: np.zeros(node.shape, np.float32) for node in session.get_outputs()}
    for name, array in outputs.items():
        binding.bind_output(name, 'cpu', 0, np.float32, array.shape, array.ctypes.data)

    def run() -> np.ndarray:
        session.run_with_iobinding(binding)
        return outputs['motion']

    return run


def openvino_step(file: Path, inputs: dict[str, np.ndarray]) -> Step:
    """OpenVINO on the CPU, in the precision of the others."""
    import openvino

    settings = {'INFERENCE_NUM_THREADS': 1, 'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': 'f32'}
    request = openvino.Core().compile_model(str(file), 'CPU', settings).create_infer_request()
    feed = {name: array for name, array in inputs.items() if name in {i.any_name for i in request.model_inputs}}

    def run() -> np.ndarray:
        request.infer(feed)
        return np.array(request.get_tensor('motion').data)

    return run


if __name__ == '__main__':
    main()
