"""Make a bare machine ready: a .venv with ROS 2 from PyPI, what PyPI lacks of it, and this package built into it.

    python3 pypi_ros/setup.py [--dev] [--pins oldest|jazzy] [--venv DIR]

Each step leaves a stamp that names its inputs, so a second run takes a moment, a changed input repeats what depends on
it, and an interrupted run resumes. Uses the standard library only. Output of the tools goes to <venv>/setup.log.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / 'pypi_ros'
PYTHONS = ((3, 10), (3, 13))  # the oldest and the newest that the ROS wheels are built for
PINS = {'oldest': (3, 10), 'jazzy': (3, 12)}  # NAME.txt beside this file, and the Python that its wheels are for
DROP_INS = ('cv_bridge', 'message_filters', 'tf2_ros')


class SetupError(Exception):
    """The machine lacks something, or a step failed; the message says what to do."""


def main() -> int:
    parser = argparse.ArgumentParser(description='Set up a .venv with ROS 2 from PyPI and atvio_ros in it.')
    parser.add_argument('--venv', type=Path, default=ROOT / '.venv', help='where to make it (default: .venv)')
    parser.add_argument('--dev', action='store_true', help='also what tests and linters need')
    parser.add_argument(
        '--pins',
        choices=list(PINS),
        help='other versions: oldest, libraries of Ubuntu 22.04 (ROS 2 Humble); jazzy, ROS 2 Jazzy and those of 24.04',
    )
    arguments = parser.parse_args()
    try:
        Setup(arguments.venv.absolute(), arguments.pins).run(arguments.dev)
    except SetupError as error:
        print(f'setup: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nsetup: interrupted; the next run resumes here', file=sys.stderr)
        return 130
    return 0


def require_tools() -> None:
    """Raise SetupError naming the package that brings what is missing."""
    version = sys.version_info[:2]
    if not PYTHONS[0] <= version <= PYTHONS[1]:
        raise SetupError(
            f'Python {version[0]}.{version[1]} is not supported: ROS 2 wheels exist for 3.10 to 3.13. '
            'Name another with `make PYTHON=python3.11 ...` (Debian package: python3).'
        )
    packages = {
        'cmake': ['cmake'],
        'make': ['make'],
        'g++': ['c++', 'g++', 'clang++'],
        'gcc': ['cc', 'gcc', 'clang'],
    }
    missing = [package for package, names in packages.items() if not any(map(shutil.which, names))]
    if missing:
        raise SetupError(f'{", ".join(missing)} not found. On Debian or Ubuntu: apt install {" ".join(missing)}')
    try:
        import ensurepip  # noqa: F401 (Debian moves it to python3-venv)
        import venv  # noqa: F401
    except ImportError:
        raise SetupError(
            'Python cannot make virtual environments. On Debian or Ubuntu: apt install python3-venv'
        ) from None
    header = Path(sysconfig_include()) / 'Python.h'
    if not header.exists():
        raise SetupError(
            f'{header} is missing, which message bindings need. On Debian or Ubuntu: apt install python3-dev'
        )


def sysconfig_include() -> str:
    import sysconfig

    return sysconfig.get_paths()['include']


class Setup:
    """The steps, in order. `run` reads like a table of contents."""

    def __init__(self, venv: Path, pins: str | None = None) -> None:
        self.venv = venv
        self.pins = pins
        self.python = venv / 'bin' / 'python'
        self.stamps = venv / 'setup'
        self.log = venv / 'setup.log'
        self.built_on = ''  # what all later steps rest on: a change there repeats them

    def run(self, dev: bool) -> None:
        """Bring the environment up to date; quiet when it is."""
        require_tools()
        if self.pins and sys.version_info[:2] != PINS[self.pins]:
            version = '.'.join(map(str, PINS[self.pins]))
            raise SetupError(
                f'The libraries of pypi_ros/{self.pins}.txt are for Python {version}. '
                f'Use `make test-{self.pins} PYTHON_{self.pins.upper()}=python{version}`.'
            )
        self.venv.mkdir(parents=True, exist_ok=True)
        with (self.venv / 'setup.lock').open('w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two `make` at once would spoil each other's build
            self.stamps.mkdir(exist_ok=True)
            self.make_venv()
            self.install_requirements('requirements.txt', 'ROS 2 and PyTorch from PyPI (about 500 MB)')
            self.install_drop_ins()
            # The name of a file in it: an emptied folder can be imported, too.
            self.build_package('tf2_msgs', HERE / 'tf2_msgs', unless_importable='tf2_msgs.msg._tf_message')
            self.build_package('atvio_ros', ROOT)
            if dev:  # last, so that demo and tests, one after the other, repeat nothing
                self.install_requirements(f'{self.pins}.txt' if self.pins else 'requirements-dev.txt', 'test tools')

    def make_venv(self) -> None:
        """A virtual environment that is a merged ament prefix, and knows it."""
        inputs = f'{sys.version}\n{sys.base_prefix}\n{self.venv}'
        with self.step('venv', 'virtual environment', inputs) as step:
            if step.needed:
                self.call([sys.executable, '-m', 'venv', '--clear', str(self.venv / 'fresh')])
                shutil.rmtree(self.venv / 'fresh')  # venv works here; now in place, keeping our log and stamps
                self.call([sys.executable, '-m', 'venv', str(self.venv)])
                site = self.ask('import sysconfig; print(sysconfig.get_paths()["purelib"])')
                # rclpy and CMake find packages by AMENT_PREFIX_PATH; the wheels do not set it.
                Path(site, 'ament_prefix.pth').write_text(
                    'import os, sys; os.environ.setdefault("AMENT_PREFIX_PATH", sys.prefix)\n'
                )

    def install_requirements(self, name: str, what: str) -> None:
        """pip install, everything pinned by constraints.txt, or by the file of other versions where that differs."""
        asked, pins = (HERE / name).read_text(), (HERE / 'constraints.txt').read_text()
        if self.pins:
            others = (HERE / f'{self.pins}.txt').read_text()
            asked, pins = without_ros(asked, others), overridden(without_ros(pins, others), others)
        with self.step(name, what, asked + pins) as step:
            if step.needed:
                requirements, constraints = self.venv / name, self.venv / 'constraints.txt'
                requirements.write_text(asked)
                constraints.write_text(pins)
                self.call([
                    str(self.python), '-m', 'pip', 'install', '--disable-pip-version-check',
                    '-r', str(requirements), '-c', str(constraints),
                ])  # fmt: skip

    def install_drop_ins(self) -> None:
        """Our stand-ins for ROS packages that PyPI lacks, each only where the real one cannot be imported."""
        site = Path(self.ask('import sysconfig; print(sysconfig.get_paths()["purelib"])'))
        for name in DROP_INS:
            target, source = site / name, HERE / name
            ours = target.is_symlink()
            if ours or not self.importable(name):
                if ours:
                    target.unlink()
                target.symlink_to(source, target_is_directory=True)

    def build_package(self, name: str, source: Path, unless_importable: str | None = None) -> None:
        """CMake configure, build and install into the venv, linking to the sources as colcon --symlink-install does."""
        texts = (source / name for name in ('CMakeLists.txt', 'package.xml', 'scripts/atvio.in'))
        files = [*filter(Path.exists, texts), *sorted(source.glob('msg/*.msg')), *sorted(source.glob('srv/*.srv'))]
        # New and removed files change what is linked; changed ones are seen through the links.
        linked = [
            str(path.relative_to(source))
            for folder in ('atvio_ros', 'launch', 'config', 'models', 'scripts')
            for path in sorted((source / folder).rglob('*'))
            if '__pycache__' not in path.parts
        ]
        with self.step(f'build_{name}', f'{name} interfaces', contents(files) + '\n'.join(linked)) as step:
            if not step.needed or (unless_importable and not step.repeated and self.importable(unless_importable)):
                return
            build = self.venv / 'build' / name
            environment = {
                'AMENT_PREFIX_PATH': str(self.venv),
                'CMAKE_PREFIX_PATH': str(self.venv),
                'PATH': f'{self.venv / "bin"}{os.pathsep}{os.environ["PATH"]}',
            }
            self.call([
                'cmake', '-S', str(source), '-B', str(build), '-DCMAKE_BUILD_TYPE=Release', '-DBUILD_TESTING=OFF',
                '-DAMENT_CMAKE_SYMLINK_INSTALL=ON',
                f'-DCMAKE_INSTALL_PREFIX={self.venv}',
                f'-DPython3_EXECUTABLE={self.python}',
                f'-DCMAKE_PROJECT_INCLUDE={HERE / "mend_imported_includes.cmake"}',
            ], environment)  # fmt: skip
            self.call(['cmake', '--build', str(build), '--parallel', '--target', 'install'], environment)

    def step(self, name: str, what: str, inputs: str) -> Step:
        """A stamped step; a change in one repeats all that follow."""
        self.built_on = hashlib.sha256((self.built_on + name + inputs).encode()).hexdigest()
        return Step(self.stamps / name, what, self.built_on)

    def importable(self, module: str) -> bool:
        """Whether the venv's Python can import it."""
        command = [str(self.python), '-c', f'import {module}']
        return subprocess.run(command, capture_output=True, cwd=self.venv, check=False).returncode == 0

    def ask(self, code: str) -> str:
        """What the venv's Python prints."""
        done = subprocess.run([str(self.python), '-c', code], capture_output=True, text=True, cwd=self.venv, check=True)
        return done.stdout.strip()

    def call(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        """Run a tool, showing its newest line as progress; all of it goes to the log."""
        with self.log.open('a') as log:
            log.write(f'$ {" ".join(command)}\n')
            process = subprocess.Popen(
                command,
                env={**os.environ, **(environment or {})},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors='replace',
            )
            assert process.stdout is not None
            tail: list[str] = []
            try:
                for line in process.stdout:
                    log.write(line)
                    tail = [*tail[-19:], line]
                    progress(line.strip())
            finally:
                if process.poll() is None:
                    process.terminate()
                status = process.wait()
        if status != 0:
            sys.stderr.write('\n' + ''.join(tail))
            raise SetupError(
                f'`{Path(command[0]).name} {" ".join(command[1:4])} ...` failed; the whole output is in {self.log}'
            )


class Step:
    """Context manager that says what is going on, and stamps it when it went well."""

    def __init__(self, stamp: Path, what: str, inputs: str) -> None:
        self.stamp, self.what, self.inputs = stamp, what, inputs
        self.repeated = stamp.exists()
        self.needed = not self.repeated or stamp.read_text() != inputs

    def __enter__(self) -> Step:
        if self.needed:
            self.stamp.unlink(missing_ok=True)
            self.started = time.monotonic()
            print(f'setup: {self.what} ...', flush=True)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self.needed and kind is None:
            self.stamp.write_text(self.inputs)
            progress('')
            print(f'setup: {self.what}: done in {time.monotonic() - self.started:.0f} s', flush=True)


_last_shown = 0.0


def progress(line: str) -> None:
    """Overwrite one status line on a terminal; elsewhere a line every ten seconds."""
    global _last_shown
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 1
        print('\r\033[K' + line[:width], end='', flush=True)
    elif line and time.monotonic() - _last_shown > 10:
        _last_shown = time.monotonic()
        print(f'  {line[:110]}', flush=True)


def overridden(pins: str, others: str) -> str:
    """`pins`, but those of `others` for packages that both name."""
    names = {package(line) for line in others.splitlines()} - {''}
    kept = [line for line in pins.splitlines() if package(line) not in names]
    return '\n'.join([*kept, *(line for line in others.splitlines() if '==' in line)]) + '\n'


def without_ros(lines: str, others: str) -> str:
    """`lines`, but where `others` are of another ROS with that in place of theirs."""
    if not any(package(line) == 'ros-rclpy' for line in others.splitlines()):
        return lines
    kept = [line for line in lines.splitlines() if not package(line).startswith('ros-')]
    return '\n'.join([*kept, *(line for line in others.splitlines() if package(line).startswith('ros-'))]) + '\n'


def package(line: str) -> str:
    """The name of the package in a line of requirements; '' where there is none."""
    return re.split(r'[^\w.-]', line.strip())[0].lower().replace('_', '-')


def contents(files: Iterable[Path]) -> str:
    return '\n'.join(f'{path.name}\n{path.read_text()}' for path in files)


if __name__ == '__main__':
    sys.exit(main())
