"""Whether a command that a page shows can be typed: program and options exist, and values are accepted."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import typer

from bdgan_cli.cli.app import app
from tests.conftest import ROOT
from tests.docs.pages import Step

# Programs of others, which are not looked into. What stands here must be shown by some page.
OTHERS = {
    "labelme": "opens a window",
    "srun": "needs a cluster; tests/distribution parses the command behind it",
}

# Words that stand for what a reader would write: NAME, DATASET@VIEW, [DATASET, ...]
_PLACEHOLDER = re.compile(r"\.\.\.\]?|\[?[A-Z][A-Z@_.]*\]?(\.\.\.)?|[a-z]+=PX")
_OWN_OPTION = re.compile(r"--?[a-zA-Z]")


def problem(step: Step) -> str:
    """Say what is wrong with a command; nothing if it can be typed."""
    program, *words = step.words
    if program == "bdgan":
        return _problem_of_bdgan(words, step.kind)
    if program == "torchrun":
        return _problem_of_torchrun(words, step.kind)
    if program == "python":
        return _problem_of_python(words, step.kind)
    if program == "make":
        return _problem_of_make(words)
    if program == "pip":
        return _problem_of_pip(words)
    return "" if program in OTHERS else f"{program} is not known to tests/docs/words.py"


def _problem_of_bdgan(words: list[str], kind: str) -> str:
    command, rest = _descend(words)
    sentence = kind == "mention"
    if rest and hasattr(command, "commands") and not rest[0].startswith("-") and not is_placeholder(rest[0]):
        return f"there is no command {rest[0]!r}"
    known = {name for param in command.params for name in [*param.opts, *param.secondary_opts]} | {"--help", "-h"}
    unknown = [word for word in rest if _OWN_OPTION.match(word) and word.split("=")[0] not in known]
    if unknown:
        return f"{command.name} has no option {unknown}"
    if sentence or any(map(is_placeholder, rest)):
        return ""
    try:
        command.make_context(command.name, list(rest))
    except typer.TyperException as error:
        return error.format_message()
    return ""


@cache
def _root() -> Any:
    return typer.main.get_command(app)  # builds the whole tree


def _descend(words: list[str]) -> tuple[Any, list[str]]:
    command = _root()
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def _problem_of_torchrun(words: list[str], kind: str) -> str:
    options = words[: words.index("-m")] if "-m" in words else words
    wrong = [word for word in options if word.startswith("--") and word.split("=")[0] not in _torchrun_options()]
    if wrong:
        return f"torchrun has no option {wrong}"
    if "-m" not in words:
        return "expected 'torchrun ... -m bdgan_cli ...'"
    module, *rest = words[len(options) + 1 :]
    return _problem_of_bdgan(rest, kind) if module == "bdgan_cli" else f"torchrun of {module} is not known"


@cache
def _torchrun_options() -> frozenset[str]:
    """Read the options from the program's source: importing it takes seconds."""
    from importlib.util import find_spec

    spec = find_spec("torch")  # does not import it
    assert spec is not None
    assert spec.origin is not None
    source = (Path(spec.origin).parent / "distributed" / "run.py").read_text(encoding="utf-8")
    return frozenset(re.findall(r'"(--[a-z_-]+)"', source))


def _problem_of_python(words: list[str], kind: str) -> str:
    if words[:2] == ["-m", "bdgan_cli"]:
        return _problem_of_bdgan(words[2:], kind)
    if words[0] == "-m":
        path, rest = Path(*words[1].split(".")), words[2:]
        path = path if (ROOT / path).is_dir() else path.with_suffix(".py")
    else:
        path, rest = Path(words[0]), words[1:]
    if not (ROOT / path).exists():
        return f"there is no {path}"
    files = sorted((ROOT / path).glob("*.py")) if (ROOT / path).is_dir() else [ROOT / path]
    source = "\n".join(file.read_text(encoding="utf-8") for file in files)
    unknown = [word for word in rest if word.startswith("--") and f'"{word.split("=")[0]}"' not in source]
    return f"{path} has no option {unknown}" if unknown else ""


def _problem_of_make(words: list[str]) -> str:
    rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    missing = [word for word in words if "=" not in word and word not in rules]
    return f"the Makefile has no rule for {missing}" if missing else ""


def _problem_of_pip(words: list[str]) -> str:
    """Check what is installed from here; packages of others are theirs."""
    for word in words:
        if extra := re.fullmatch(r"\.\[(\w+)\]", word):
            if f"\n{extra[1]} =\n" not in (ROOT / "setup.cfg").read_text(encoding="utf-8"):
                return f"setup.cfg has no extra {extra[1]}"
        elif word.startswith("./") and not (ROOT / word / "pyproject.toml").is_file():
            return f"there is no package in {word}"
    return ""


def is_placeholder(word: str) -> bool:
    """Tell whether a word stands for another one."""
    return bool(_PLACEHOLDER.fullmatch(word))
