"""docs/troubleshooting.md quotes what the program says, and every symptom has a cause and a cure."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / 'docs' / 'troubleshooting.md').read_text(encoding='utf-8')


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.splitlines() if line.startswith('| ') and not line.startswith('| symptom')]
    return [[cell.strip() for cell in line.strip('|').split(' | ')] for line in lines]


def said() -> str:
    """The texts in the sources, what is put into them left out."""
    texts = []
    for path in sorted((ROOT / 'atvio_ros').rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.JoinedStr):
                texts.append(
                    ''.join(str(part.value) if isinstance(part, ast.Constant) else '{}' for part in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return '\n'.join(texts)


def test_every_symptom_has_a_cause_and_a_cure():
    assert len(rows()) > 30
    assert [row for row in rows() if len(row) != 3 or not all(row)] == []


def test_what_the_page_quotes_is_what_the_program_says():
    texts = said()
    quoted = [words for row in rows() for words in re.findall(r'`([^`]+)`', row[0])]
    assert len(quoted) > 15
    strange = [words for words in quoted if words not in texts and re.sub(r'\b0\b|torch', '{}', words) not in texts]
    assert strange == []
