"""Every command of the pages can be typed: program, subcommand and options exist, and values are of their kind."""

from __future__ import annotations

import ast

import pytest

from tests.docs.pages import PAGES, Step, mentions, steps
from tests.docs.words import OTHERS, problem


@pytest.mark.parametrize("page", PAGES)
def test_every_command_can_be_typed(page: str) -> None:
    shown = [*(step for step in steps(page) if step.kind == "command"), *mentions(page)]
    wrong = [f"{step.place}: {step.text}: {found}" for step in shown if (found := problem(step))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES)
def test_every_example_is_python(page: str) -> None:
    for step in steps(page):
        if step.kind == "python":
            ast.parse(step.text, step.place)


def test_programs_of_others_are_shown() -> None:
    programs = {step.words[0] for page in PAGES for step in [*steps(page), *mentions(page)] if step.kind != "python"}
    assert set(OTHERS) <= programs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bdgan sampel", "there is no command 'sampel'"),
        ("bdgan sample --per-clas 5", "has no option ['--per-clas']"),
        ("bdgan sample --per-class many", "valid integer"),
        ("bdgan data export one --to coco", "Missing argument 'OUT'"),
        ("bdgan pretrain export stage2 --out d2", "Missing option '--to'"),
        ("nice -n 5 bdgan filter --resume", "has no option ['--resume']"),
        ("torchrun --nproc-per-nodes 2 -m bdgan_cli sample", "torchrun has no option ['--nproc-per-nodes']"),
        ("torchrun --nproc-per-node 2 -m bdgan_cli sampel", "there is no command 'sampel'"),
        ("python -m benchmarks.nothing", "there is no benchmarks/nothing.py"),
        ("python -m benchmarks.geometry --maskes 5", "has no option ['--maskes']"),
        ("python tools/nothing.py", "there is no tools/nothing.py"),
        ("make coffee", "the Makefile has no rule for ['coffee']"),
        ("pip install -e '.[nothing]'", "setup.cfg has no extra nothing"),
        ("pip install ./examples/nothing", "there is no package in ./examples/nothing"),
        ("bigdatasetgan run", "bigdatasetgan is not known"),
    ],
)
def test_what_cannot_be_typed_is_found(text: str, expected: str) -> None:
    assert expected in problem(Step("page.md", 1, "command", text))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("mention", "bdgan data import"),
        ("mention", "bdgan COMMAND --help"),
        ("mention", "bdgan benchmark ... --init NAME"),
        ("command", "bdgan benchmark --task mc16 --seeds 1  # a comment --with words"),
        ("command", "BDGAN_WORKSPACE=w nice bdgan data export A@clean out --to coco --splits train=0.8,val=0.2"),
    ],
)
def test_what_can_be_typed_is_not(kind: str, text: str) -> None:
    assert problem(Step("page.md", 1, kind, text)) == ""
