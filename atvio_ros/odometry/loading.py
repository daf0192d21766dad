"""Model files to estimators: which backend runs a network, and what is imported for it.

An ONNX file never needs PyTorch. PyTorch's own files (.safetensors) need it, but where an export of the very same file
lies beside it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from atvio_ros.errors import ModelError, SettingsError
from atvio_ros.network.card import ROAD, default_model_path
from atvio_ros.network.onnx_interface import patches_path
from atvio_ros.odometry.estimator import NetworkEstimator
from atvio_ros.odometry.road_network import RoadNetworkEstimator

BACKENDS = ('auto', 'torch', 'onnxruntime')
ONNX = '.onnx'

Network = NetworkEstimator | RoadNetworkEstimator


def load_network(model: Path | None = None, device: str = 'auto', threads: int = 1, backend: str = 'auto') -> Network:
    """The estimator of a model file; None: the shipped default, or, where none is shipped, untrained weights.

    backend `torch` and `onnxruntime` are as named; the latter exports a .safetensors file on the way in, for which it
    needs PyTorch, unless its export lies beside it. `auto` is ONNX Runtime for an ONNX file and where the export of a
    .safetensors file lies beside it and ONNX Runtime is installed and has the device; else PyTorch. `threads` is how
    many CPU threads the network takes; PyTorch takes them in this whole process. Raises SettingsError, ModelError,
    and ModuleNotFoundError where a backend is not installed.
    """
    if backend not in BACKENDS:
        raise SettingsError(f'backend must be {", ".join(BACKENDS[:-1])} or {BACKENDS[-1]}, not {backend!r}.')
    path = model or default_model_path()
    if path is not None and path.suffix == ONNX:
        if backend == 'torch':
            raise SettingsError(f'{path} is an ONNX file, which PyTorch does not run. Set backend to auto.')
        return by_onnxruntime(path, device, threads)
    exported = _export_beside(path) if backend != 'torch' and path is not None else None
    if exported and (backend == 'onnxruntime' or _onnxruntime_has(device)):
        return by_onnxruntime(exported, device, threads)
    if backend == 'onnxruntime':
        return _exported_now(path, device, threads)
    return _by_torch(path, device, threads)


def _by_torch(path: Path | None, device: str, threads: int) -> Network:
    import torch

    from atvio_ros.network.checkpoint import load_model, untrained_model
    from atvio_ros.network.road_file import is_road_file, load_road
    from atvio_ros.odometry.pair_torch import TorchPairs, choose_device
    from atvio_ros.odometry.road_torch import TorchRoad

    torch.set_num_threads(threads)
    chosen = choose_device(device)
    if path is None:
        return NetworkEstimator(TorchPairs(untrained_model('ca_a'), chosen), trained=False)
    if is_road_file(path):
        road, card = load_road(path)
        return RoadNetworkEstimator(TorchRoad(road), card.trained, card.noise)
    network, card = load_model(path)
    return NetworkEstimator(TorchPairs(network, chosen), card.trained, card.noise)


def by_onnxruntime(path: Path, device: str, threads: int, contents: tuple[bytes, ...] = ()) -> Network:
    """Of a file, or of what is to stand in it: for a network `road` what is after the filter, and before it."""
    from atvio_ros.odometry.onnx_session import OnnxGraph

    graph = OnnxGraph(path, contents[0] if contents else None, device, threads)
    if graph.metadata.get('network') == ROAD:
        from atvio_ros.odometry.road_onnx import OnnxRoad

        patches = OnnxGraph(patches_path(path), contents[1] if contents else None, device, threads)
        road = OnnxRoad(graph, patches)
        return RoadNetworkEstimator(road, road.card.trained, road.card.noise)
    from atvio_ros.odometry.pair_onnx import OnnxPairs

    network = OnnxPairs(graph)
    return NetworkEstimator(network, network.card.trained, network.card.noise)


def _exported_now(path: Path | None, device: str, threads: int) -> Network:
    from atvio_ros.network.card import ModelCard
    from atvio_ros.network.checkpoint import load_model, untrained_model
    from atvio_ros.network.onnx_export import pair_graph, road_graphs
    from atvio_ros.network.road_file import is_road_file, load_road

    if path is not None and is_road_file(path):
        return by_onnxruntime(path, device, threads, road_graphs(*load_road(path)))
    network, card = (untrained_model('ca_a'), ModelCard()) if path is None else load_model(path)
    return by_onnxruntime(path or Path('ca_a'), device, threads, (pair_graph(network, card),))


def _export_beside(path: Path) -> Path | None:
    """The export of exactly this model file under the same name, where there is one."""
    exported = path.with_suffix(ONNX)
    if not exported.is_file() or not path.is_file():
        return None
    try:
        from atvio_ros.odometry.onnx_session import OnnxGraph

        source = OnnxGraph(exported, device='cpu').metadata.get('source_sha256')
    except (ModuleNotFoundError, ModelError):
        return None
    return exported if source == hashlib.sha256(path.read_bytes()).hexdigest() else None


def _onnxruntime_has(device: str) -> bool:
    from atvio_ros.odometry.onnx_session import providers

    try:
        providers(device)
    except ModelError:
        return False
    return True
