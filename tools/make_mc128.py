"""Derive the task MC-128 from WordNet's hypernym tree, and write bdgan_cli/data/tasks/mc128.toml.

    apt-get install wordnet-base
    python tools/make_mc128.py

The paper never published its map, so this rule is ours (docs/tasks.md tells it in words):

1. A synset's parent is the first hypernym that WordNet 3.0 lists for it. That makes the hypernym graph a tree.
2. All 991 synsets of MC-992 start as one group. A group is divided at a node of the tree: what lies below the node
   leaves it as a new group. Only nodes are considered that leave at least three classes on either side.
3. Until there are 127 groups, the group with the most classes that can be divided is divided at the node that comes
   closest to halves. Ties: the lower WordNet offset, of the group's common hypernym or of the node.
4. A group is named after the lowest common hypernym of its classes, by its first word in WordNet; "other" stands before
   it if another group has classes below the same hypernym. Labels are numbered by each group's first class in ImageNet.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bdgan_cli.imagenet import imagenet_classes

GROUPS = 127
LEAST_CLASSES = 3
TABLE = Path(__file__).parent.parent / "bdgan_cli" / "data" / "tasks" / "mc128.toml"
WORDNET = Path("/usr/share/wordnet")

NOTE = (
    "This map is bdgan's own: the paper's was never published. It has the 991 synsets of MC-992 in 127 groups along "
    "WordNet's hypernym tree, and background; numbers on it cannot be compared with the paper's."
)
HEADER = f"""\
# Written by tools/make_mc128.py; do not edit by hand. Behind each label: the common hypernym of its classes.
# Derived from WordNet 3.0, whose licence follows the table.
title = "MC-128"
domain = "imagenet"
note = "{NOTE}"

[published]
train = 5294
test = 8316

[labels]
"""

Lineage = tuple[int, ...]


class WordNet:
    """The nouns of WordNet as a tree: each synset below the first of its hypernyms.

    Args:
        file: WordNet's ``data.noun``.
    """

    def __init__(self, file: Path) -> None:
        self.words: dict[int, str] = {}
        self.licence: list[str] = []
        self._parents: dict[int, int] = {}
        for line in file.read_text(encoding="ascii").splitlines():
            if line.startswith(" "):
                self.licence.append(re.sub(r"^ *\d+ ?", "# ", line).rstrip())
            else:
                self._add(line.split(" | ")[0].split())

    def path(self, offset: int) -> Lineage:
        """Return the offsets from the root down to a synset."""
        path = [offset]
        while path[-1] in self._parents:
            path.append(self._parents[path[-1]])
        return tuple(reversed(path))

    def _add(self, fields: Sequence[str]) -> None:
        # offset, file, type, count of words (hex), (word, sense)..., count of pointers, (symbol, offset, type, ends)...
        offset, first_pointer = int(fields[0]), 5 + 2 * int(fields[3], 16)
        self.words[offset] = fields[4].replace("_", " ")
        for place in range(first_pointer, first_pointer + 4 * int(fields[first_pointer - 1]), 4):
            if fields[place] == "@":
                self._parents[offset] = int(fields[place + 1])
                return


class Group:
    """Some classes, and where they are best divided.

    Args:
        paths: The path of each class.
    """

    def __init__(self, paths: Sequence[Lineage]) -> None:
        self.paths = paths
        self.hypernym = next(nodes[0] for nodes in reversed([*zip(*paths, strict=False)]) if len({*nodes}) == 1)
        counts = Counter(node for path in paths for node in path)
        sides = {node: min(count, len(paths) - count) for node, count in counts.items()}
        self.node = min(sides, key=lambda node: (-sides[node], node))
        self.smaller_side = sides[self.node]

    def divide(self) -> tuple[Group, Group]:
        """Return the classes below the node, and the others."""
        below = [path for path in self.paths if self.node in path]
        return Group(below), Group([path for path in self.paths if self.node not in path])


def partition(paths: Sequence[Lineage]) -> list[Group]:
    """Divide the classes into groups by the rule at the top."""
    groups = [Group(paths)]
    while len(groups) < GROUPS:
        divisible = [group for group in groups if group.smaller_side >= LEAST_CLASSES]
        largest = min(divisible, key=lambda group: (-len(group.paths), group.hypernym))
        groups.remove(largest)
        groups += largest.divide()
    return groups


def render(wordnet: WordNet) -> str:
    """Return the table as TOML."""
    ids = {int(entry.wnid[1:]): entry.id for entry in imagenet_classes() if entry.seg_id is not None}
    groups = partition([wordnet.path(offset) for offset in ids])
    below = Counter(node for group in groups for path in group.paths for node in path)
    lines = {}
    for group in groups:
        is_whole = below[group.hypernym] == len(group.paths)
        name = ("" if is_whole else "other ") + wordnet.words[group.hypernym]
        members = sorted(ids[path[-1]] for path in group.paths)
        lines[members[0]] = f'"{name}" = "{", ".join(as_ranges(members))}"  # n{group.hypernym:08d}'
    return HEADER + "\n".join([*(line for _, line in sorted(lines.items())), "", *wordnet.licence]) + "\n"


def as_ranges(ids: Sequence[int]) -> list[str]:
    """Return ascending ids as ``a`` and ``a-b``."""
    starts = [number for number in ids if number - 1 not in ids]
    ends = [number for number in ids if number + 1 not in ids]
    return [f"{a}-{b}" if b > a else str(a) for a, b in zip(starts, ends, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wordnet", type=Path, default=WORDNET, help="folder of data.noun")
    parser.add_argument("--out", type=Path, default=TABLE)
    options = parser.parse_args()
    options.out.write_text(render(WordNet(options.wordnet / "data.noun")), encoding="utf-8")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
