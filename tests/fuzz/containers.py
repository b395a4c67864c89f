"""Binary files near their format, for Hypothesis: headers that lie, with every checksum right."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zlib
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from bdgan_cli.dataset.codecs import PNG_SIGNATURE
from tests.fuzz.corpus import mend_tar, png_chunk
from tests.fuzz.mutators import INTEGERS

SIDES = st.one_of(st.integers(0, 20), st.sampled_from((4096, 65535, 60_000, 2**24, 2**31 - 1, 2**32 - 1)))


@st.composite
def pngs(draw: st.DrawFn) -> bytes:
    """A header of any size, depth, colour type and interlace, and pixels of another size."""
    depth, kind = draw(st.sampled_from((0, 1, 2, 4, 8, 16, 32, 255))), draw(st.sampled_from((0, 1, 2, 3, 4, 5, 6, 255)))
    header = struct.pack(
        ">IIBBBBB", draw(SIDES), draw(SIDES), depth, kind, draw(st.integers(0, 1)), 0, draw(st.integers(0, 2))
    )
    pixels = zlib.compress(bytes(draw(st.sampled_from((0, 54, 300, 1 << 16, 1 << 24)))))
    chunks = [png_chunk(b"PLTE", bytes(draw(st.sampled_from((0, 1, 3, 768, 771)))))] if draw(st.booleans()) else []
    chunks += [png_chunk(b"IDAT", pixels)] * draw(st.integers(0, 2))
    for name in draw(
        st.lists(st.sampled_from((b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"iCCP", b"zTXt", b"gAMA")), max_size=2)
    ):
        chunks.insert(draw(st.integers(0, len(chunks))), png_chunk(name, draw(st.binary(max_size=40))))
    return PNG_SIGNATURE + png_chunk(b"IHDR", header) + b"".join(chunks) + png_chunk(b"IEND", b"")


@st.composite
def npys(draw: st.DrawFn) -> bytes:
    """A header of any shape and type over a few numbers."""
    side = st.one_of(st.integers(-2, 9), st.sampled_from((2**20, 2**40, 2**62, 2**63, 10**30)))
    shape = tuple(draw(st.lists(side, max_size=5)))
    types = (
        "<f4",
        ">f8",
        "|O",
        "|S5",
        "<U3",
        "|V8",
        "<f16",
        "<c8",
        "<M8[ns]",
        "|b1",
        "i9",
        "f",
        "",
        "<f4,<i4",
        "(2,)f4",
    )
    told: Any = draw(st.sampled_from((*types, [("a", "<f4")], 3, None)))
    fields = {
        "descr": told,
        "fortran_order": draw(st.sampled_from((False, True, 0, "x"))),
        "shape": draw(st.sampled_from((shape, list(shape), 8))),
    }
    if draw(st.integers(0, 9)) == 0:
        fields.pop(draw(st.sampled_from(sorted(fields))))
    text = draw(st.sampled_from((repr(fields), "(" * 300, "__import__('os')", repr(fields) + "\x00"))).encode()
    version = draw(st.sampled_from((1, 1, 1, 2, 3, 255)))
    size = draw(st.sampled_from((len(text), len(text), 0, 2**16 - 1, 2**31)))
    length = struct.pack("<H", size & 0xFFFF) if version == 1 else struct.pack("<I", size)
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + draw(st.binary(max_size=80))


@st.composite
def safetensors_files(draw: st.DrawFn, names: tuple[str, ...]) -> bytes:
    """A header whose shapes, types and places need not fit each other or the file."""
    number = st.one_of(st.integers(-1, 40), st.sampled_from(INTEGERS))
    entry = st.fixed_dictionaries({
        "dtype": st.sampled_from(("F32", "BF16", "F16", "I64", "BOOL", "F8_E4M3", "F8_E8M0", "C64", "F4", "U16", "x")),
        "shape": st.lists(number, max_size=4), "data_offsets": st.lists(number, min_size=1, max_size=3),
    })  # fmt: skip
    header: dict[str, Any] = draw(st.dictionaries(st.sampled_from((*names, "", "a" * 300)), entry, max_size=4))
    if draw(st.booleans()):
        header["__metadata__"] = draw(
            st.sampled_from(({"identity": "{}", "state": "[]"}, {"turns": "3"}, {"a": 1}, [], {}))
        )
    text = json.dumps(header).encode()
    size = draw(st.sampled_from((len(text), len(text), len(text) + 8, 2**31, 2**64 - 1)))
    return struct.pack("<Q", size) + text + draw(st.binary(max_size=64))


@st.composite
def parquets(draw: st.DrawFn, good: bytes) -> bytes:
    """A table of which some columns have another type, or nulls, or are gone, or are there twice."""
    table = pq.read_table(pa.BufferReader(good))
    odd = st.sampled_from((
        pa.array([None] * len(table)), pa.array(["x"] * len(table)), pa.array([b"\xff\xfe"] * len(table)),
        pa.array([2**62] * len(table)), pa.array([-1] * len(table)), pa.array([float("nan")] * len(table)),
        pa.array([[1, 2]] * len(table)), pa.array([{"bytes": b"x", "path": "/etc/passwd"}] * len(table)),
        pa.array([True] * len(table)), pa.array(["../a"] * len(table)), pa.array(["a" * 3000] * len(table)),
        pa.array([b"\xff"] * len(table)).view(pa.string()),
    ))  # fmt: skip
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, table.num_columns - 1))
        name = table.column_names[place]
        match draw(st.sampled_from(("set", "set", "set", "remove", "twice", "nulls"))):
            case "set":
                table = table.set_column(place, name, draw(odd))
            case "remove" if table.num_columns > 1:
                table = table.remove_column(place)
            case "twice":
                table = table.append_column(name, table.column(place))
            case "nulls":
                table = table.set_column(place, name, pa.nulls(len(table), table.column(place).type))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=draw(st.sampled_from((1, 1000))))
    return sink.getvalue().to_pybytes()


@st.composite
def tars(draw: st.DrawFn, good: bytes) -> bytes:
    """An archive with members of every type, long and odd names, and sizes that lie."""
    buffer = io.BytesIO()
    names = (
        "a.png",
        "a.mask.png",
        "../a.png",
        "/a.png",
        "b" * 300 + ".png",
        "\u00e9.png",
        "a/b/c.json",
        "a.cls",
        "",
        "a\\b.png",
    )
    kinds = (*b"\00", *b"1234567", *b"gxLKSDVMNX")
    form = draw(st.sampled_from((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)))
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for _ in range(draw(st.integers(1, 3))):
            info = tarfile.TarInfo(draw(st.sampled_from(names[:4] if form == tarfile.USTAR_FORMAT else names)))
            data = draw(st.binary(max_size=600))
            info.size, info.type = len(data), bytes([draw(st.sampled_from(kinds))])
            info.linkname = draw(st.sampled_from(("", "a.png", "/etc/passwd", "../../x")))
            if form == tarfile.PAX_FORMAT:
                info.pax_headers = {
                    draw(st.sampled_from(("path", "size", "GNU.sparse.size", "linkpath", "mtime"))): draw(
                        st.sampled_from(("-1", "x", "9" * 30, "a.png"))
                    )
                }
            archive.addfile(info, io.BytesIO(data))
    made = bytearray(draw(st.sampled_from((b"", good[:-1024]))) + buffer.getvalue())
    if draw(st.booleans()):  # a size beyond all bounds, or below none
        header = 512 * draw(st.integers(0, max(0, len(made) // 512 - 1)))
        sizes = (
            b"77777777777\0",
            b"\x80" + b"\0" * 3 + b"\xff" * 8,
            b"\xff" * 12,
            b"\xff" * 10 + b"\xfe\0",
            b"-0000000001\0",
            b" " * 12,
        )
        made[header + 124 : header + 136] = draw(st.sampled_from(sizes))
    return mend_tar(bytes(made))
