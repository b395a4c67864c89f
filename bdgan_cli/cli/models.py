"""``bdgan models``: which models there are, and whether their files are whole."""

from __future__ import annotations

from typing import Annotated

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.options import JsonOption

models_app = typer.Typer(no_args_is_help=True, help="List the registered models, describe one, verify their files.")
NameArgument = Annotated[str, typer.Argument(help="A model's name.")]


@models_app.command("list", epilog="Example: bdgan models list --json")
def list_models(as_json: JsonOption = False) -> None:
    """List every model: built-in ones and those of installed packages."""
    from bdgan_cli.weights.card import all_cards

    cards = sorted(all_cards().values(), key=lambda card: (card.kind != "generator", card.kind, card.name))
    if as_json:
        terminal.emit_json({"models": [_fields(card) for card in cards]})
        return
    rows = [(c.name, c.kind, f"{c.resolution} px" if c.resolution else None, c.source, c.summary) for c in cards]
    terminal.table("Models", ["name", "kind", "size", "source", "summary"], rows)


@models_app.command("info", epilog="Example: bdgan models info tiny-biggan")
def info(name: NameArgument, as_json: JsonOption = False) -> None:
    """Describe one model: origin, licence, files and measured figures."""
    from bdgan_cli.weights.card import find_card

    fields = _fields(find_card(name))
    if as_json:
        terminal.emit_json(fields)
        return
    flat = {**{k: v for k, v in fields.items() if not isinstance(v, (dict, list, tuple))}, **dict(fields["figures"])}
    flat.update(
        {f"file {entry['name']}": f"{entry['size']} bytes, sha256 {entry['sha256']}" for entry in fields["files"]}
    )
    terminal.table("", ["field", "value"], [(key, value) for key, value in flat.items() if value != ""])


@models_app.command("verify", epilog="Example: bdgan models verify tiny-biggan")
def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Models to verify; all of them if none is named.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check size and sha256 of each model's files, load it, and run a generator once. Exits 3 if one fails."""
    from bdgan_cli.workflows.models import verify_models

    checks = verify_models(names or [], terminal.reporter())
    if as_json:
        terminal.emit_json({"models": [{"name": c.name, "problem": c.problem} for c in checks]})
    else:
        terminal.table("", ["name", "state"], [(c.name, c.problem or "ok") for c in checks])
    if any(check.problem for check in checks):
        raise typer.Exit(3)


def _fields(card: object) -> dict:  # type: ignore[type-arg]
    from dataclasses import asdict

    return asdict(card)  # type: ignore[call-overload,no-any-return]
