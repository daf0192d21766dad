"""The set-up of a bare machine: it refuses what cannot work in one line, and repeats only what has changed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / 'pypi_ros' / 'setup.py'


@pytest.fixture
def module():
    spec = importlib.util.spec_from_file_location('pypi_ros_setup', SCRIPT)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_without_a_compiler_it_names_the_packages_to_install(tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), '--venv', str(tmp_path / 'venv')],
        env={**os.environ, 'PATH': str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert 'apt install cmake make g++ gcc' in lines[0]
    assert not (tmp_path / 'venv').exists()


def test_a_python_without_ros_wheels_is_refused(module, monkeypatch):
    monkeypatch.setattr(module.sys, 'version_info', (3, 9, 1))
    with pytest.raises(module.SetupError, match=r'Python 3\.9 is not supported.*3\.10 to 3\.13'):
        module.require_tools()


def test_a_step_runs_once_and_again_only_when_its_inputs_or_those_before_it_change(module, tmp_path):
    def run(first: str, second: str) -> list[str]:
        setup = module.Setup(tmp_path)
        setup.stamps.mkdir(exist_ok=True)
        ran = []
        for name, inputs in (('first', first), ('second', second)):
            with setup.step(name, name, inputs) as step:
                if step.needed:
                    ran.append(name)
        return ran

    assert run('a', 'b') == ['first', 'second']
    assert run('a', 'b') == []
    assert run('a', 'c') == ['second']
    assert run('x', 'c') == ['first', 'second']


def test_an_interrupted_step_is_repeated(module, tmp_path):
    setup = module.Setup(tmp_path)
    setup.stamps.mkdir()
    with pytest.raises(KeyboardInterrupt), setup.step('build', 'build', 'inputs'):
        raise KeyboardInterrupt
    with module.Setup(tmp_path).step('build', 'build', 'inputs') as step:
        assert step.needed


def test_a_tool_that_fails_leaves_its_output_in_the_log_and_says_where(module, tmp_path, capsys):
    setup = module.Setup(tmp_path)
    with pytest.raises(module.SetupError, match=r'setup\.log'):
        setup.call([sys.executable, '-c', 'print("half way"); raise SystemExit(3)'])
    assert 'half way' in (tmp_path / 'setup.log').read_text()
    assert 'half way' in capsys.readouterr().err


def test_the_installed_command_measures_in_a_process_of_its_own(tmp_path):
    command = Path(sys.prefix) / 'bin' / 'atvio'
    if not command.exists():
        pytest.skip('the package is not built into this environment: run `make setup`')
    arguments = ['benchmark', '--variant', 'vonas_a', '--seconds', '0.1', '--json']
    done = subprocess.run([str(command), *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)['rows'][0]['name'] == 'vonas_a'


def test_the_oldest_libraries_replace_the_newer_pins_and_leave_the_others(module):
    pins = (
        '# made by\nnumpy==2.2.6 ; python_full_version < "3.11"\nnumpy==2.4.6\nmatplotlib-inline==1.0\nPyYAML==6.0.3\n'
    )
    others = '# Ubuntu\nnumpy==1.21.5\npyyaml==5.4\npytest\n'
    lines = module.overridden(pins, others).splitlines()
    assert lines == ['# made by', 'matplotlib-inline==1.0', 'numpy==1.21.5', 'pyyaml==5.4']


def test_another_ros_replaces_all_of_ours(module):
    requirements = 'ros-rclpy==9.1.2\nros-fastdds==3.2.3\nnumpy>=1.21.5\n'
    jazzy = '# Jazzy\nros-rclpy==7.1.6\nros-fastrtps==2.14.5\nnumpy==1.26.4\n'
    assert module.without_ros(requirements, jazzy).splitlines() == [
        'numpy>=1.21.5',
        'ros-rclpy==7.1.6',
        'ros-fastrtps==2.14.5',
    ]
    assert module.without_ros(requirements, 'numpy==1.21.5\n') == requirements


@pytest.mark.parametrize(('pins', 'version'), [('oldest', r'3\.10'), ('jazzy', r'3\.12')])
def test_pinned_libraries_on_another_python_are_refused(module, monkeypatch, tmp_path, pins, version):
    monkeypatch.setattr(module, 'require_tools', lambda: None)
    monkeypatch.setattr(module.sys, 'version_info', (3, 11, 1))
    with pytest.raises(module.SetupError, match=rf'Python {version}.*make test-{pins} PYTHON_{pins.upper()}'):
        module.Setup(tmp_path / 'venv', pins).run(dev=True)
    assert not (tmp_path / 'venv').exists()


def test_every_file_of_pins_is_offered(module):
    assert set(module.PINS) == {path.stem for path in SCRIPT.parent.glob('*.txt') if 'pytest==' in path.read_text()} - {
        'constraints'
    }
