"""What the pages show: commands, examples in Python, and commands that are named in the text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT

PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]

# An indented line or a span of code that begins so is a command; in a block marked sh every line is one.
_COMMAND = re.compile(r"(bdgan|make|python|nice|torchrun|srun|sbatch|kubectl|pip|labelme) \S")


class Step(NamedTuple):
    """One thing that a page tells its reader to do."""

    page: str
    line: int
    kind: str  # 'command', 'python', or 'mention': a command inside a sentence, which may have placeholders
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def words(self) -> list[str]:
        """The command's words, without prompt, comment, redirection or what nice and environment put in front."""
        words = shlex.split(self.text, comments=True)
        while words and re.fullmatch(r"nice|-n|\d+|[A-Z_]+=\S*", words[0]):
            words = words[1:]
        return words


def steps(page: str) -> list[Step]:
    """Return the commands and the Python examples of a page, from top to bottom."""
    found: list[Step] = []
    for line, language, lines in _blocks((ROOT / page).read_text(encoding="utf-8").splitlines()):
        if language == "python" or (language == "indented" and lines[0].startswith(("from ", "import "))):
            found.append(Step(page, line, "python", "\n".join(lines) + "\n"))
            continue
        for offset, text in _commands(lines):
            if language == "sh" or (language == "indented" and _COMMAND.match(text)):
                found.append(Step(page, line + offset, "command", text))
    return found


def mentions(page: str) -> list[Step]:
    """Return the commands that are named in sentences and tables; a span may go on in the next line."""
    text = (ROOT / page).read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", lambda block: "\n" * block[0].count("\n"), text, flags=re.MULTILINE | re.DOTALL)
    spans = re.finditer(r"(?<!`)`([^`]+)`(?!`)", prose)
    found = [(span.start(), " ".join(span[1].replace("\\|", "|").split())) for span in spans]
    return [
        Step(page, prose.count("\n", 0, start) + 1, "mention", command)
        for start, text in found
        for command in re.split(r" (?:&&|\|) ", text)
        if _COMMAND.match(command)
    ]


def blocks(page: str, language: str) -> list[str]:
    """Return the contents of a page's blocks of a language."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    return ["\n".join(content) + "\n" for _, found, content in _blocks(lines) if found == language]


def _blocks(lines: list[str]) -> Iterator[tuple[int, str, list[str]]]:
    """Yield first line number, language and lines of each block; indented ones have the language 'indented'."""
    number = 0
    while number < len(lines):
        start = number
        if fence := re.fullmatch(r"```(\w*)", lines[number]):
            number += 1
            while lines[number] != "```":
                number += 1
            yield start + 2, fence[1], lines[start + 1 : number]
        elif lines[number].startswith("    ") and not (number and lines[number - 1].strip()):
            while number < len(lines) and (lines[number].startswith("    ") or not lines[number].strip()):
                number += 1
            yield start + 1, "indented", [line[4:] for line in lines[start:number]]
            continue
        number += 1


def _commands(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Join what a backslash continues, divide what && joins, and leave out empty lines and comments."""
    text, start = "", 0
    for number, line in enumerate(lines):
        start = start if text else number
        text += line.rstrip()
        if text.endswith("\\"):
            text = text[:-1].rstrip() + " "
            continue
        for command in text.split(" && "):
            if command.strip() and not command.lstrip().startswith("#"):
                yield start, command.strip()
        text = ""


def path_of(page: str) -> Path:
    """Return where a page lies."""
    return ROOT / page
