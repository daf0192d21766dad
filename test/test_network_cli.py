"""`atvio describe` and `atvio benchmark`: their JSON keys are a contract with scripts."""

import argparse
import json

import pytest

from atvio_ros.cli import benchmark, describe
from atvio_ros.errors import ModelError, SettingsError
from atvio_ros.network.checkpoint import ModelCard, save_model, untrained_model


def run(command, *words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args([str(word) for word in words]))


def test_describe_json_has_its_keys_and_parts_that_add_up(capsys):
    run(describe, '--variant', 'ca_b', '--json')
    figures = json.loads(capsys.readouterr().out)
    assert set(figures) == {'variant', 'parameters', 'macs', 'feature_shape'}
    assert figures['variant'] == 'ca_b'
    parts = figures['parameters']
    assert set(parts) == {'total', 'visual_encoder', 'inertial_encoder', 'fusion', 'lstm', 'pose_head'}
    assert parts['total'] == sum(count for part, count in parts.items() if part != 'total')
    assert parts['inertial_encoder'] == 101_120
    assert figures['feature_shape'][1:] == [4, 13]


def test_describe_lists_layers_with_shapes(capsys):
    run(describe, '--variant', 'vonas_a')
    lines = capsys.readouterr().out.splitlines()
    assert any('Conv2d' in line and 'x64x208' in line for line in lines)
    assert not any(line.startswith('inertial_encoder.') for line in lines)


def test_describe_reads_a_model_file_and_says_whether_it_is_trained(tmp_path, capsys):
    save_model(tmp_path / 'model.safetensors', untrained_model('vonas_a'), ModelCard(trained=False))
    run(describe, '--model', tmp_path / 'model.safetensors')
    assert 'vonas_a' in (first := capsys.readouterr().out.splitlines()[0])
    assert 'untrained' in first
    with pytest.raises(ModelError):
        run(describe, '--model', tmp_path / 'none.safetensors')


def test_benchmark_json_has_a_row_a_variant(capsys):
    run(benchmark, '--variant', 'vonas_a', '--device', 'cpu', '--seconds', '0.1', '--json')
    result = json.loads(capsys.readouterr().out)
    assert result['device'] == 'cpu'
    (row,) = result['rows']
    assert row['name'] == 'vonas_a'
    assert 0 < row['latency_ms_p50'] <= row['latency_ms_p99']
    assert row['frames_per_second'] > 0
    assert row['parameters'] == sum(p.numel() for p in untrained_model('vonas_a').parameters())
    assert row['peak_memory_mb'] > 50  # a process with torch in it


def test_an_unknown_variant_is_refused_before_anything_is_measured():
    with pytest.raises(SettingsError, match='ca_z'):
        run(benchmark, '--variant', 'vonas_a', 'ca_z')
