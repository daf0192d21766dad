"""Write CHANGELOG.rst, which ROS's release tools (bloom, catkin_pkg) read, from CHANGELOG.md, which people write.

Run it when a version is released: `python3 scripts/changelog_rst.py`. What is unreleased is left out.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TITLE = 'Changelog for package atvio_ros'
NOTE = '.. Made by scripts/changelog_rst.py from CHANGELOG.md.'


def as_rst(markdown: str) -> str:
    """The changelog as REP 132 wants it: a section a version, with one list."""
    rule = '^' * len(TITLE)
    lines = [rule, TITLE, rule, '', NOTE]
    kind = ''
    first = re.search(r'^## \[\d', markdown, re.MULTILINE)
    for line in markdown[first.start() :].splitlines() if first else []:
        if released := re.fullmatch(r'## \[(\d[^\]]*)\] - (\S+)', line):
            title = f'{released[1]} ({released[2]})'
            lines += ['', title, '-' * len(title)]
        elif line.startswith('### '):
            kind = line.removeprefix('### ').strip()
        elif line.startswith('- '):
            lines.append(f'* {kind}: {_inline(line[2:])}')
        elif line.strip():
            lines.append(f'  {_inline(line.strip())}')
    return '\n'.join(lines) + '\n'


def _inline(text: str) -> str:
    """Markdown's code and links in reStructuredText; of links the words."""
    text = re.sub(r'\[([^\]]+)\]\([^)]+\)', r'\1', text)
    parts = text.split('`')  # odd ones are code
    plain = [re.sub(r'([*_|\\])', r'\\\1', part) if i % 2 == 0 else f'``{part}``' for i, part in enumerate(parts)]
    return ''.join(plain)


if __name__ == '__main__':
    (ROOT / 'CHANGELOG.rst').write_text(as_rst((ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')), encoding='utf-8')
