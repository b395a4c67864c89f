"""Links between the pages lead somewhere, and pages read alike on the site and in the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.docs.pages import PAGES

MAX_PICTURES_BYTES = 1_000_000
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_STARTS_A_LIST_OR_TABLE = re.compile(r"- |\d+\. |\| ")


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines outside of code blocks, with their numbers."""
    fenced = False
    for number, line in enumerate(text.splitlines(), start=1):
        fenced ^= line.startswith("```")
        if not fenced and not line.startswith(("```", "    ")):
            yield number, line


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MkDocs both make them."""
    headings = [line.lstrip("#").strip() for _, line in prose(text) if re.match(r"#+ ", line)]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(folder: Path, text: str) -> list[str]:
    """Say which links of a page in a folder lead nowhere."""
    found = []
    for number, line in prose(text):
        for target in _LINK.findall(re.sub(r"`[^`]*`", "", line)):
            name, _, anchor = target.partition("#")
            if "://" in target:
                continue
            path = folder / name
            if name and not path.is_file() and not path.is_dir():
                found.append(f"{number}: {target}: no such file")
            elif anchor and anchor not in anchors(path.read_text(encoding="utf-8") if name else text):
                found.append(f"{number}: {target}: no such heading")
    return found


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_links_lead_somewhere(page: str) -> None:
    assert not broken((ROOT / page).parent, (ROOT / page).read_text(encoding="utf-8"))


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# Two words, (and more)\n")
    text = "# Here\n[a](b.md#two-words-and-more) [b](#here) [c](c.md) [d](b.md#three) [e](https://example.org)\n`[f](f.md)`\n"
    assert broken(tmp_path, text) == ["2: c.md: no such file", "2: b.md#three: no such heading"]


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_lists_and_tables_stand_by_themselves(page: str) -> None:
    # GitHub begins a list in the middle of a paragraph; MkDocs does not.
    before, wrong = "", []
    for number, line in prose((ROOT / page).read_text(encoding="utf-8")):
        if _STARTS_A_LIST_OR_TABLE.match(line) and before and not re.match(r"- |\d+\. |\||  ", before):
            wrong.append(f"{number}: {line}")
        before = line.strip() and line
    assert not wrong


def test_the_site_shows_every_page() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    nav = re.findall(r"[\w-]+\.md", "\n".join(map(str, yaml.safe_load(text)["nav"])))
    pages = [path.name for path in (ROOT / "docs").glob("*.md")]
    assert sorted(nav) == sorted([*pages, "changelog.md", "contributing.md"])


def test_pictures_are_small_and_shown() -> None:
    pictures = sorted((ROOT / "docs" / "img").iterdir())
    assert sum(path.stat().st_size for path in pictures) < MAX_PICTURES_BYTES
    text = "".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    assert [path.name for path in pictures if f"img/{path.name})" not in text] == []
