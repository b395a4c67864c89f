"""The readers of our own dataset: its files one by one, and what lies in its shards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bdgan_cli import runs
from bdgan_cli.dataset import views
from bdgan_cli.dataset.codecs import decode_image, decode_latent, decode_raw, encode_latent
from bdgan_cli.dataset.importers.mask_rules import MaskRule, read_mask
from bdgan_cli.dataset.importers.upright import read_upright
from bdgan_cli.dataset.index import merge_index, read_info, read_part
from bdgan_cli.dataset.palette import encode_palette_mask, palette_of, voc_colours
from bdgan_cli.dataset.raw_pictures import open_pictures
from bdgan_cli.dataset.reader import Dataset, open_dataset
from bdgan_cli.dataset.schema import INDEX_SCHEMA, KINDS, DatasetInfo
from bdgan_cli.dataset.tar import append_members
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.errors import BdganError, MissingError
from bdgan_cli.progress import Silent
from bdgan_cli.workflows.analyze_centers import _open_boxes
from tests.dataset.builders import make_info, make_sample
from tests.fuzz.corpus import HEIGHT, WIDTH, encoded, mask, mend_pngs, mend_tars, picture, written
from tests.fuzz.reader import Files, Place, Reader

VIEW = "clean"


def datasets() -> Sequence[Files]:
    """The same samples with a compressed index and with a plain one, whose bytes are values."""
    packed = dict(written(_write))
    plain = dict(packed)
    for name, data in packed.items():
        if name.endswith(".parquet"):
            table = pq.read_table(pa.BufferReader(data))
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink, compression="none", use_dictionary=False)
            plain[name] = sink.getvalue().to_pybytes()
    return [packed, plain]


def merged_datasets() -> Sequence[Files]:
    def write(root: Path) -> None:
        _write(root)
        merge_index(root)

    return [written(write)]


def _write(root: Path) -> None:
    writer = open_for_writing(root, make_info(2, 2))
    for class_id in range(2):
        writer.write_shard(f"c{class_id:04d}-b0000", [make_sample(class_id, index) for index in range(2)])
    dataset = open_dataset(root)
    keys = dataset.keys()
    decisions = pa.table(
        {
            "key": keys,
            "kept": [True] * 3 + [False],
            "rule": [""] * 3 + ["odd"],
            "score": pa.array([0.1, 0.2, 0.3, 0.9], pa.float32()),
        }
    )
    views.write_view(dataset, VIEW, decisions)


def read_dataset_info(place: Place) -> None:
    check_info(read_info(place.source))
    open_for_writing(place.source, read_info(place.source)).finished("c0000-b0000")


def check_info(info: DatasetInfo) -> None:
    assert info.kind in KINDS
    assert all(type(entry.id) is int and 0 <= entry.id < 2**31 for entry in info.classes)
    assert all(isinstance(word, str) for entry in info.classes for word in (entry.wnid, entry.name))
    assert all(isinstance(name, str) for name in info.label_names)
    assert len(info.label_names) >= 2
    assert info.image_size is None or info.image_size >= 1
    assert DatasetInfo.from_json(json.loads(json.dumps(info.to_json()))) == info


def read_dataset(place: Place) -> None:
    """Read all that there is, in every way that there is."""
    problems = verify_dataset(place.source, Silent())
    assert all(problem.what for problem in problems)
    writer = open_for_writing(place.source, read_info(place.source))
    for stem in ("c0000-b0000", "c0001-b0000"):
        writer.finished(stem)
    part = _open_boxes(str(place.source)).table
    dataset = open_dataset(place.source)
    assert len(part) == len(dataset)
    check_records(dataset)


def check_records(dataset: Dataset) -> None:
    """Read all records, and check what a reader may rely on."""
    assert dataset.table.schema.equals(INDEX_SCHEMA)
    assert not any(column.null_count for column in dataset.table.columns)
    check_info(dataset.info)
    rows, labels = dataset.table.to_pylist(), len(dataset.info.label_names)
    for row, record in zip(rows, dataset.iterate(), strict=True):
        size_hw = (row["height"], row["width"])
        assert record.image is not None
        assert (record.image.shape, record.image.dtype) == ((*size_hw, 3), np.uint8)
        if record.mask is not None:
            assert record.mask.shape == size_hw
            assert record.mask.dtype in (np.uint8, np.uint16)
            ignored = record.mask == np.iinfo(record.mask.dtype).max
            assert (record.mask[~ignored] < labels).all()
        if record.latent is not None:
            check_latent(record.latent)
        assert record.meta is None or isinstance(record.meta, dict)
    if rows:
        assert dataset.read(dataset.keys()[-1]).key == rows[-1]["key"]


def read_view(place: Place) -> None:
    dataset = open_dataset(f"{place.source}@{VIEW}")
    assert set(dataset.keys()) <= set(open_dataset(place.source).keys())
    views.list_views(place.source)


def pictures() -> Sequence[Files]:
    """The same picture in every container, plain and with what makes decoders work."""
    pixels = picture()
    alpha = np.dstack([pixels, pixels[..., :1]])
    wide = pixels.astype(np.uint16) * 257
    seeds = {
        "png": [pixels, pixels[..., 0], alpha, wide],
        "jpg": [pixels, pixels[..., 0]],
        "webp": [pixels, alpha],
        "bmp": [pixels, pixels[..., 0]],
        "tif": [pixels, wide],
    }
    return [{f"a.{suffix}": encoded(one, f".{suffix}")} for suffix, kinds in seeds.items() for one in kinds]


def of_kind(*suffixes: str) -> Sequence[Files]:
    return [files for files in pictures() if Path(next(iter(files))).suffix[1:] in suffixes]


def read_picture(place: Place) -> None:
    (path,) = place.source.iterdir()
    data = path.read_bytes()
    for upright in (False, True):
        pixels = decode_image(data, path.name, upright=upright)
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3
        assert pixels.dtype == np.uint8
    raw = decode_raw(data, path.name)
    assert raw.ndim in (2, 3)
    assert raw.dtype in (np.uint8, np.uint16)
    kept = read_upright(data, path.name)
    assert kept.pixels.shape[2] == 3
    assert kept.image_format in ("png", "jpg", "webp")
    if kept.kept is not None:
        np.testing.assert_array_equal(decode_image(kept.kept, "kept"), kept.pixels)


def read_folder_of_pictures(place: Place) -> None:
    found = open_pictures([str(place.source)])
    for row in range(len(found)):
        assert found.read(row).dtype == np.uint8


def masks() -> Sequence[Files]:
    wide = mask().astype(np.uint16) * 257
    colours = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colours[1:4, 2:6] = 0, 0, 255
    return [
        {"a.png": encoded(mask(), ".png")},
        {"a.png": encoded(wide, ".png")},
        {"a.png": encode_palette_mask(mask(), voc_colours())},
        {"a.png": encoded(colours, ".png")},
    ]


def read_masks(place: Place) -> None:
    """Read a mask by every kind of rule; at least one of them must take the good ones."""
    data, errors = (place.source / "a.png").read_bytes(), []
    mapping = {0: 0, 1: 1, 255: 255, 65535: 255, 1 << 24: 0, (1 << 24) + 0xFF0000: 1}
    rules = [MaskRule(), MaskRule(2, mapping), MaskRule(2, mapping, resize=True), MaskRule(2, mapping, by_colour=True)]
    for rule in (*rules, MaskRule(300)):
        try:
            values = read_mask(data, (HEIGHT, WIDTH), rule, "a.png")
        except BdganError as error:
            errors.append(error)
            continue
        assert values.shape == (HEIGHT, WIDTH)
        assert values.dtype == np.uint8 or (values.dtype == np.uint16 and rule.labels > 255)
        assert (values[values != np.iinfo(values.dtype).max] < rule.labels).all()
    palette_of(data, "a.png")
    if len(errors) > len(rules):
        raise errors[0]


def latents() -> Sequence[Files]:
    kinds = [np.float32(range(8)), np.arange(6, dtype=np.int64).reshape(2, 3), np.zeros((1, 128), np.float16)]
    return [{"a.npy": encode_latent(kind, "a")} for kind in kinds]


def read_latent(place: Place) -> None:
    check_latent(decode_latent((place.source / "a.npy").read_bytes(), "a.npy"))


def check_latent(latent: np.ndarray) -> None:
    assert latent.dtype.kind in "fiu"
    assert np.isfinite(latent).all()


def metas() -> Sequence[Files]:
    return [{"a.json": b'{"key":"a","class_id":0,"scores":{"uncertainty":null},"extra":{"a":[1,2.5]}}'}]


def read_meta(place: Place) -> None:
    """Read a sample's JSON where it lies: in a shard."""
    data = (place.source / "a.json").read_bytes()
    root = place.out / "a.json"
    (root / "shards").mkdir(parents=True)
    with (root / "shards" / "0.tar").open("wb") as file:
        there = append_members(file, "a", {"image": b"x", "meta": data}, "png")
    row = {
        name: pa.array([value], INDEX_SCHEMA.field(name).type)
        for name, value in {
            "key": "a",
            "class_id": 0,
            "image_format": "png",
            "height": 1,
            "width": 1,
            "shard": "0",
            "image_offset": there["image"].offset,
            "image_size": 1,
            "meta_offset": there["meta"].offset,
            "meta_size": there["meta"].size,
        }.items()
    }
    (root / "index").mkdir()
    pq.write_table(pa.table(row), root / "index" / "0.parquet")
    table = read_part(root / "index" / "0.parquet")
    record = Dataset(root, make_info(), table).read("a", ("meta",))
    assert isinstance(record.meta, dict)


def workspaces() -> Sequence[Files]:
    info = json.dumps(make_info().to_json()).encode()
    head = b'{"schema_version":1,"generator":{"name":"tiny"}}'
    return [{"datasets/a/dataset.json": info, "datasets/b/dataset.json": info, "heads/a/head.json": head}]


def read_workspace(place: Place) -> None:
    """Find the newest things: a broken neighbour must not stop the search."""
    for search in (
        lambda: runs.newest_dataset(place.source, ("sampled",), "tiny"),
        lambda: runs.newest_head(place.source, "tiny"),
    ):
        try:
            assert search().is_dir()
        except MissingError:
            continue


# Pictures of up to 2^27 pixels are read, whatever the size of their file.
_PIXELS = 1300 << 20
READERS = (
    Reader("merged index (Parquet)", merged_datasets, read_dataset, ("index.parquet",), (b"PAR1", b"bdgan.parts")),
    Reader(
        "dataset.json",
        datasets,
        read_dataset_info,
        ("dataset.json",),
        (b'"classes"', b'"id"', b"null", b'"label_names"'),
    ),
    Reader("index parts (Parquet)", datasets, read_dataset, ("index/*",), (b"PAR1", b"ARROW:schema")),
    Reader(
        "shards (tar)", datasets, read_dataset, ("shards/*",), (b"ustar\x0000", b"\x80\xff", b"\xff" * 12), mend_tars
    ),
    Reader("views (Parquet)", datasets, read_view, ("views/*",), (b"PAR1", b"ARROW:schema")),
    Reader("newest in a workspace", workspaces, read_workspace),
    Reader(
        "picture, PNG",
        lambda: of_kind("png"),
        read_picture,
        ("*",),
        (b"IHDR", b"IDAT", b"PLTE", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"iCCP"),
        mend_pngs,
        most_growth=_PIXELS,
    ),
    Reader(
        "picture, JPEG",
        lambda: of_kind("jpg"),
        read_picture,
        ("*",),
        (b"\xff\xd8", b"\xff\xc0", b"\xff\xc2", b"\xff\xda", b"\xff\xd9", b"\xff\xe1", b"Exif\0\0"),
        most_growth=_PIXELS,
    ),
    Reader(
        "picture, WebP",
        lambda: of_kind("webp"),
        read_picture,
        ("*",),
        (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF"),
        most_growth=_PIXELS,
    ),
    Reader(
        "picture, BMP and TIFF",
        lambda: of_kind("bmp", "tif"),
        read_picture,
        ("*",),
        (b"II*\0", b"MM\0*", b"BM"),
        most_growth=_PIXELS,
    ),
    Reader(
        "folder of pictures",
        lambda: [{k: v for files in pictures() for k, v in files.items()}],
        read_folder_of_pictures,
        ("*",),
        (),
        mend_pngs,
        most_growth=_PIXELS,
    ),
    Reader(
        "mask, PNG", masks, read_masks, ("*",), (b"IHDR", b"IDAT", b"PLTE", b"tRNS"), mend_pngs, most_growth=_PIXELS
    ),
    Reader(
        "latent, npy",
        latents,
        read_latent,
        ("*",),
        (b"'|O'", b"'<f8'", b"(2,)", b"(-1,)", b"True", b"PK\x03\x04", b"\x93NUMPY\x03\x00"),
    ),
    Reader("sample's JSON", metas, read_meta, ("*",), (b"null", b'"key"')),
)
