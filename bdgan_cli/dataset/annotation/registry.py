"""The table of annotation tools: a new one is one file and one line here."""

from __future__ import annotations

from bdgan_cli.dataset.annotation.cvat import CvatTool
from bdgan_cli.dataset.annotation.folder import FolderTool
from bdgan_cli.dataset.annotation.labelme import LabelmeTool
from bdgan_cli.dataset.annotation.labelstudio import LabelStudioTool
from bdgan_cli.dataset.annotation.tool import Tool
from bdgan_cli.errors import UsageError, near_names

TOOLS: dict[str, Tool] = {
    "labelme": LabelmeTool(),
    "labelstudio": LabelStudioTool(),
    "cvat": CvatTool(),
    "folder": FolderTool(),
}


def find_tool(name: str) -> Tool:
    """Return a tool of the table.

    Raises:
        UsageError: If there is none of that name; the hint names near ones.
    """
    if name not in TOOLS:
        raise UsageError(f"no annotation tool is called {name!r}", near_names(name, list(TOOLS)))
    return TOOLS[name]
