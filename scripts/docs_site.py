"""What the documentation's site has beyond docs/: pages beside the sources, and an API page for each room.

A hook of MkDocs (mkdocs.yml). Pages are written for the repository, where links lead from file to file; here these
become links from page to page. A link to a file that is no page, such as a settings file, keeps its words only.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
BESIDE = {
    'README.md': 'index.md',
    'CONTRIBUTING.md': 'contributing.md',
    'CHANGELOG.md': 'changelog.md',
    'examples/README.md': 'examples.md',
}
LINK = re.compile(r'(!?)\[([^\]]*)\]\(([^)\s]+)\)')
WITHOUT_PAGE = {'cli'}  # `atvio` has docs/command-line.md


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for source, page in pages_elsewhere().items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding='utf-8')))
    for room in rooms():
        files.append(File.generated(config, f'api/{room}.md', content=api_page(room)))
    return files


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the API pages last."""
    listed: Any = config.nav
    listed.append({'API': [{room: f'api/{room}.md'} for room in rooms()]})
    return config


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Lead links to pages of the site."""
    source = next((each for each, to in pages_elsewhere().items() if to == page.file.src_uri), None)
    folder = ROOT / (source or f'docs/{page.file.src_uri}')
    return outside_code(markdown, lambda line: LINK.sub(lambda link: led(link, folder.parent, page), line))


def led(link: re.Match[str], folder: Path, page: Page) -> str:
    """One link, of a file in `folder`, as one of the site."""
    mark, words, target = link.groups()
    file, hash_, anchor = target.partition('#')
    if not file or re.match(r'[a-z]+:', target) or page.file.src_uri.startswith('api/'):
        return link[0]
    aim = (folder / file).resolve()
    if aim.is_dir():
        aim /= 'README.md'
    name = aim.relative_to(ROOT).as_posix() if aim.is_relative_to(ROOT) else ''
    to = name.removeprefix('docs/') if name.startswith('docs/') else pages_elsewhere().get(name)
    if to is None:
        return words
    return f'{mark}[{words}]({os.path.relpath(to, Path(page.file.src_uri).parent)}{hash_}{anchor})'


def outside_code(markdown: str, change: Any) -> str:
    """The text with each line changed that is not in a code block."""
    lines, code = [], False
    for line in markdown.splitlines():
        fence = line.lstrip().startswith('```')
        lines.append(line if code or fence else change(line))
        code ^= fence
    return '\n'.join(lines) + '\n'


def pages_elsewhere() -> dict[str, str]:
    """Files outside docs/ that are pages, and where the site has them."""
    models = (path.relative_to(ROOT).as_posix() for path in sorted((ROOT / 'models').glob('*.md')))
    return {**BESIDE, **{name: name for name in models}}


def rooms() -> list[str]:
    """The packages in atvio_ros/, and `base` for the modules beside them."""
    folders = sorted(path.parent.name for path in (ROOT / 'atvio_ros').glob('*/__init__.py'))
    return ['base', *(folder for folder in folders if folder not in WITHOUT_PAGE)]


def api_page(room: str) -> str:
    """A page of all modules in a room."""
    folder = ROOT / 'atvio_ros' / ('' if room == 'base' else room)
    modules = [path.stem for path in sorted(folder.glob('*.py')) if path.stem != '__init__']
    package = 'atvio_ros' if room == 'base' else f'atvio_ros.{room}'
    return '\n\n'.join([f'# {package}', *(f'::: {package}.{module}' for module in modules)]) + '\n'
