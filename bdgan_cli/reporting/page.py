"""Self-contained HTML pages: one file, no script, no font or picture from elsewhere."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from bdgan_cli.errors import BdganError

_TEMPLATES = Path(__file__).parent / "templates"


def render_page(template: str, values: dict[str, Any]) -> str:
    """Fill a template of this package; text is escaped, :func:`inline` and :func:`data_uri` results are not."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    return environment.get_template(template).render(values)


def inline(svg: str) -> Markup:
    """Mark SVG text made by this package as safe to stand in a page."""
    return Markup(svg)


def data_uri(picture: NDArray[np.uint8]) -> str:
    """Turn an (H, W, 3) uint8 RGB picture into a ``data:`` address holding a WebP file.

    Raises:
        BdganError: If the encoder fails.
    """
    done, data = cv2.imencode(".webp", picture[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 88])
    if not done:
        raise BdganError("cannot encode a picture for the page")
    return "data:image/webp;base64," + base64.b64encode(data.tobytes()).decode()
