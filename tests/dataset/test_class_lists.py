import pytest

from bdgan_cli.dataset.class_lists import select_classes
from bdgan_cli.errors import UsageError
from bdgan_cli.interfaces import ClassInfo

CLASSES = (
    ClassInfo(0, "n01440764", "tench"),
    ClassInfo(1, "n01443537", "goldfish"),
    ClassInfo(2, "n02012849", "crane"),
    ClassInfo(3, "n03126707", "crane"),
)


@pytest.mark.parametrize(
    ("spec", "ids"),
    [
        ("all", [0, 1, 2, 3]),
        ("3, 1", [1, 3]),
        ("0-2", [0, 1, 2]),
        ("goldfish", [1]),
        ("Goldfish,n03126707,0-1", [0, 1, 3]),
    ],
)
def test_specs(spec, ids):
    assert select_classes(spec, CLASSES) == ids


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ("9", "class 9 does not exist: ids are 0 to 3", "--classes all"),
        ("2-1", "first id is above the last", "use 1-2"),
        ("goldfsh", "unknown class 'goldfsh'", "goldfish"),
        ("crane", "not unique: 2 (n02012849), 3 (n03126707)", "by id or wnid"),
        (" , ", "names no class", "all"),
    ],
)
def test_specs_that_name_no_class(spec, message, hint):
    with pytest.raises(UsageError) as caught:
        select_classes(spec, CLASSES)
    assert message in caught.value.message
    assert hint in caught.value.hint
