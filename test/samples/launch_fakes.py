"""Stand-ins for `launch` and `launch_ros`, of which PyPI has none: actions that keep how they were made.

They are for looking at what our launch files decide. That the real ones run them is for test/launch.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

LAUNCH_FILES = Path(__file__).resolve().parents[2] / 'launch'
NAMES = {
    'launch': ['LaunchDescription', 'LaunchDescriptionEntity', 'LaunchContext'],
    'launch.actions': [
        'DeclareLaunchArgument', 'EmitEvent', 'GroupAction', 'IncludeLaunchDescription', 'LogInfo', 'OpaqueFunction',
        'RegisterEventHandler', 'TimerAction',
    ],
    'launch.conditions': ['IfCondition', 'UnlessCondition'],
    'launch.event_handlers': ['OnProcessExit'],
    'launch.events': ['Shutdown'],
    'launch.events.process': ['ProcessExited'],
    'launch.launch_description_sources': ['PythonLaunchDescriptionSource'],
    'launch.substitutions': ['LaunchConfiguration', 'PathJoinSubstitution'],
    'launch_ros': [],
    'launch_ros.actions': ['ComposableNodeContainer', 'Node'],
    'launch_ros.descriptions': ['ComposableNode'],
    'launch_ros.parameter_descriptions': ['ParameterFile', 'ParameterValue'],
    'launch_ros.substitutions': ['FindPackageShare'],
}  # fmt: skip


class Made:
    """Whatever a launch file makes: `kind` is the class's name, `given` and `named` are its arguments."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self.given, self.named = given, named

    @property
    def kind(self) -> str:
        """As in launch."""
        return type(self).__name__

    def __getitem__(self, name: str) -> Any:
        return self.named[name]


class Context:
    """The values of launch configurations."""

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values
        self.is_shutdown = False


def _perform(configuration: Made, context: Context) -> str:
    return context.values[configuration.given[0]]


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """One of our launch files, whose imports of launch give stand-ins."""
    for module_name, names in NAMES.items():
        module = ModuleType(module_name)
        for each in names:
            made = type(each, (Made,), {'perform': _perform} if each == 'LaunchConfiguration' else {})
            setattr(module, each, made)
        monkeypatch.setitem(sys.modules, module_name, module)
    spec = importlib.util.spec_from_file_location(name.partition('.')[0], LAUNCH_FILES / name)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def context(launch_file: ModuleType, **given: str) -> Context:
    """The values of its arguments: defaults, where they are words, and what is given."""
    defaults = {each.given[0]: each.named.get('default_value', '') for each in launch_file.ARGUMENTS}
    words = {name: value if isinstance(value, str) else '' for name, value in defaults.items()}
    assert given.keys() <= words.keys()
    return Context({**words, **given})
