"""A network exported to ONNX, and both of it side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from atvio_ros.errors import ModelError
from atvio_ros.network.card import ModelCard, default_model_path
from atvio_ros.network.checkpoint import load_model, untrained_model
from atvio_ros.network.onnx_export import pair_graph, road_graphs
from atvio_ros.network.onnx_interface import patches_path
from atvio_ros.network.road_file import is_road_file, load_road, untrained_road
from atvio_ros.odometry.estimator import NetworkEstimator
from atvio_ros.odometry.loading import Network, by_onnxruntime
from atvio_ros.odometry.onnx_check import ComparedPairs, ComparedRoads, Differences, drive_pairs, drive_road
from atvio_ros.odometry.pair_torch import TorchPairs
from atvio_ros.odometry.road_network import RoadNetworkEstimator
from atvio_ros.odometry.road_torch import TorchRoad


@dataclass(frozen=True)
class Export:
    """What is to be written, and the network by PyTorch and by ONNX Runtime as one that notes how far they differ."""

    contents: dict[Path, bytes]
    compared: Network
    differences: Differences

    def compare_made_up(self) -> None:
        """Compare over a drive that is made up."""
        if isinstance(self.compared, NetworkEstimator):
            drive_pairs(self.compared.network)
        else:
            drive_road(self.compared.network)


def exported(model: Path | None, variant: str | None, out: Path) -> Export:
    """The export of a model file, of a variant with random weights, or of the shipped model, to be written to `out`.

    Raises ModelError where there is none, or PyTorch cannot export it.
    """
    path = None if variant else model or default_model_path()
    if path is None and variant is None:
        raise ModelError('No network ships with this build. Name a model file with --model.')
    differences = Differences()
    if variant == 'road' or (path is not None and is_road_file(path)):
        road, card = (untrained_road(), ModelCard()) if path is None else load_road(path)
        contents = dict(zip((out, patches_path(out)), road_graphs(road, card, path), strict=True))
        other = by_onnxruntime(out, 'cpu', 1, tuple(contents.values()))
        assert isinstance(other, RoadNetworkEstimator)
        roads = ComparedRoads(TorchRoad(road), other.network, differences)
        return Export(contents, RoadNetworkEstimator(roads, card.trained, card.noise), differences)
    network, card = (untrained_model(variant or ''), ModelCard()) if path is None else load_model(path)
    content = pair_graph(network, card, path)
    other = by_onnxruntime(out, 'cpu', 1, (content,))
    assert isinstance(other, NetworkEstimator)
    pairs = ComparedPairs(TorchPairs(network), other.network, differences)
    return Export({out: content}, NetworkEstimator(pairs, card.trained, card.noise), differences)
