"""May a writer go on in a folder? The plan in ``dataset.json`` against the plan of now, field by field."""

from __future__ import annotations

from typing import Any

from bdgan_cli.dataset.schema import DatasetInfo
from bdgan_cli.errors import UsageError

# Words about the dataset; they do not decide which bytes a sample has.
_WORDS = ("name", "licence", "provenance", "format_version")
_HINT = "use --overwrite, or another name for the new dataset"


def check_same_plan(old: DatasetInfo, new: DatasetInfo, where: str) -> None:
    """Accept a plan that equals the old one, or only grows ``per_class`` or the set of classes.

    Raises:
        UsageError: If anything else differs; names each field with its old and new value.
    """
    before, after = _facts(old), _facts(new)
    differing = [name for name in sorted({*before, *after}) if not _grows(name, before.get(name), after.get(name))]
    if differing:
        changes = [f"{name}: {_short(before.get(name))} there, {_short(after.get(name))} now" for name in differing]
        raise UsageError(f"{where} was made with another plan: {'; '.join(changes)}", _HINT)


def _facts(info: DatasetInfo) -> dict[str, Any]:
    content = info.to_json()
    plan = content.pop("plan")
    table = {entry.id: (entry.wnid, entry.name) for entry in info.classes}
    kept = {name: value for name, value in content.items() if name not in (*_WORDS, "classes")}
    return {**kept, "class table": table, **{f"plan.{name}": value for name, value in plan.items()}}


def _grows(name: str, old: Any, new: Any) -> bool:
    if old == new:
        return True
    if name == "plan.per_class":
        return isinstance(old, int) and isinstance(new, int) and new > old
    if name == "plan.classes":
        return isinstance(old, list) and isinstance(new, list) and all(item in new for item in old)
    return name == "class table" and old.items() <= new.items()


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
