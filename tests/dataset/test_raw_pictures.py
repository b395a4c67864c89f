import pickle

import cv2
import numpy as np
import pytest
from PIL import Image

from bdgan_cli.dataset.raw_pictures import open_pictures
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.errors import DataError, MissingError
from tests.dataset.builders import SIZE, make_info, write_all


def paint(path, value, size_hw=(6, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size_hw, 3), value, np.uint8))


@pytest.fixture
def folder(tmp_path):
    """ImageNet's layout, with things in it that are no pictures."""
    root = tmp_path / "train"
    for number, name in enumerate(["n01/b.JPEG", "n01/a.png", "n02/deep/ä.webp", "top.bmp"]):
        paint(root / name.replace("JPEG", "jpg"), 10 * number)
    (root / "n01/b.jpg").rename(root / "n01/b.JPEG")
    (root / "notes.txt").write_text("no picture")
    paint(root / ".hidden/c.png", 99)
    return root


def test_a_tree_of_pictures_in_the_order_of_their_paths(folder):
    pictures = open_pictures([str(folder)])
    names = [pictures.name(row) for row in range(len(pictures))]
    assert names == [str(folder / name) for name in ("n01/a.png", "n01/b.JPEG", "n02/deep/ä.webp", "top.bmp")]
    assert [int(pictures.read(row)[0, 0, 0]) for row in range(4)] == [10, 0, 20, 30]
    copy = pickle.loads(pickle.dumps(pictures))  # as loading processes get it
    assert np.array_equal(copy.read(2), pictures.read(2))


def test_the_hash_knows_names_and_not_places(folder, tmp_path):
    before = open_pictures([str(folder)]).sha256
    moved = folder.rename(tmp_path / "moved")
    assert open_pictures([str(moved)]).sha256 == before
    paint(moved / "new.png", 1)
    assert open_pictures([str(moved)]).sha256 != before


def test_a_photograph_is_upright(tmp_path):
    turned = Image.new("RGB", (8, 6), (9, 9, 9))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "photo.jpg", exif=exif)
    assert open_pictures([str(tmp_path)]).read(0).shape == (8, 6, 3)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n cut"])
def test_a_damaged_picture_is_named(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.png"):
        open_pictures([str(tmp_path)]).read(0)


def test_a_picture_that_went_away(folder):
    pictures = open_pictures([str(folder)])
    (folder / "top.bmp").unlink()
    with pytest.raises(DataError, match=r"top\.bmp: cannot be read: No such file"):
        pictures.read(3)


def test_a_dataset_and_a_folder_as_one(folder, tmp_path):
    write_all(tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    together = open_pictures([str(folder), str(tmp_path / "set")])
    assert len(together) == 4 + len(dataset)
    key = dataset.keys()[3]
    assert together.name(4 + 3) == f"{tmp_path / 'set'}: {key}"
    assert np.array_equal(together.read(4 + 3), dataset.read(key).image)
    assert together.read(4).shape == (SIZE, SIZE, 3)
    assert together.read(3)[0, 0, 0] == 30


def test_nothing_to_read(tmp_path):
    with pytest.raises(MissingError, match="no folder of pictures and no dataset at"):
        open_pictures([str(tmp_path / "nowhere")])
    with pytest.raises(DataError, match=r"holds no pictures: expected \.jpg"):
        open_pictures([str(tmp_path)])
    write_all(tmp_path / "set", classes=0)
    assert make_info(0).classes == ()
    with pytest.raises(DataError, match="is empty"):
        open_pictures([str(tmp_path / "set")])
