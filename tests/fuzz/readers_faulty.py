"""A reader that does on demand what no reader may do."""

from __future__ import annotations

import ctypes
import os
import warnings

import numpy as np

from bdgan_cli.errors import DataError
from tests.fuzz.reader import Place, Reader


def read(place: Place) -> None:
    match (place.source / "a").read_bytes():
        case b"crash":
            ctypes.string_at(0)
        case b"exit":
            os._exit(3)
        case b"loop":
            while True:
                pass
        case b"memory":
            np.zeros(1 << 40, np.uint8)
        case b"much memory":
            np.ones(400 << 20, np.uint8)
        case b"foreign error":
            raise KeyError("a")
        case b"no file named":
            raise DataError("something is wrong")
        case b"warning":
            warnings.warn("odd", UserWarning, stacklevel=1)
        case b"fine":
            return
        case b"refused":
            raise DataError("a: refused")
        case _:
            raise AssertionError("a wrong result")


READERS = (Reader("faulty", lambda: [{"a": b"fine"}], read, cpu_seconds=1.5),)
