"""``bdgan models``: which models there are, how their weights get here, and whether their files are whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.options import (
    DEFAULT_WORKSPACE,
    DryRunOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    WorkspaceOption,
)

models_app = typer.Typer(
    no_args_is_help=True, help="List the registered models, describe one, fetch weights, verify files."
)
NameArgument = Annotated[str, typer.Argument(help="A model's name.")]


@models_app.command("list", epilog="Example: bdgan models list --json")
def list_models(as_json: JsonOption = False) -> None:
    """List every model: built-in ones and those of installed packages, and whether their weights are here."""
    from bdgan_cli.weights.card import ALIASES, all_cards

    cards = sorted(all_cards().values(), key=lambda card: (card.kind != "generator", card.kind, card.name))
    if as_json:
        aliases = {name: alias.default for name, alias in ALIASES.items()}
        terminal.emit_json({"models": [_fields(card) for card in cards], "aliases": aliases})
        return
    rows = [
        (c.name, c.kind, f"{c.resolution} px" if c.resolution else None, _state(c), c.source, c.summary) for c in cards
    ]
    terminal.table("Models", ["name", "kind", "size", "weights", "source", "summary"], rows)
    for name, alias in ALIASES.items():
        terminal.say(f"{name} means {' or '.join(alias.members)}, whichever the data names, else {alias.default}")


@models_app.command("info", epilog="Example: bdgan models info biggan-512")
def info(name: NameArgument, as_json: JsonOption = False) -> None:
    """Describe one model: origin, licence, files, where its weights are to be had, and measured figures."""
    from bdgan_cli.weights.card import find_card

    card = find_card(name)
    if as_json:
        terminal.emit_json(_fields(card))
        return
    rows: list[tuple[str, object]] = [
        (key, getattr(card, key))
        for key in (
            "name",
            "kind",
            "family",
            "domain",
            "builder",
            "summary",
            "origin",
            "licence",
            "terms",
            "resolution",
        )
    ]
    rows += [("weights", _state(card)), ("source", card.source), ("layouts", ", ".join(card.layouts))]
    rows += [(f"file {file.name}", f"{file.size} bytes, sha256 {file.sha256}") for file in card.files]
    rows += [(f"from {source.file}", url) for source in card.sources for url in source.urls]
    rows += [(f"from {source.file}", f"sha256 {source.sha256}") for source in card.sources if source.sha256]
    rows += [("see also", page) for page in card.pages] + list(card.figures.items())
    terminal.table("", ["field", "value"], [(key, value) for key, value in rows if value != ""])


models_app.command("show", hidden=True, help="Another name of 'bdgan models info'.")(info)


@models_app.command("pull", epilog="\b\nExample:\nbdgan models pull biggan-deep-128\nbdgan models pull vqgan --dry-run")
def pull(
    names: Annotated[list[str], typer.Argument(help="Models whose weights are to be fetched.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Download public weights, check and convert them, and install them. Goes on where an earlier run stopped."""
    from bdgan_cli.workflows.model_pull import pull_models

    results = pull_models(names, workspace, overwrite=overwrite, dry_run=dry_run, report=terminal.reporter(quiet))
    if as_json:
        entries = [
            {
                "name": r.name, "state": r.state, "licence": r.card.licence, "terms": r.card.terms,
                "sources": _fields(r.card)["sources"], "added": r.added._asdict() if r.added else None,
            }
            for r in results
        ]  # fmt: skip
        terminal.emit_json({"models": entries})
        return
    if not dry_run:
        terminal.table("", ["name", "state"], [(r.name, r.state) for r in results])
        return
    rows: list[tuple[object, ...]] = [
        (r.name, r.state, source.file, _size(source.size), r.card.licence, url)
        for r in results
        for source in r.card.sources
        for url in source.urls
    ]
    rows += [(r.name, r.state, None, None, r.card.licence, None) for r in results if not r.card.sources]
    terminal.table("", ["name", "state", "file", "size", "licence", "address"], rows)


@models_app.command("add", epilog="Example: bdgan models add biggan-512.pth --as biggan-512")
def add(
    file: Annotated[Path, typer.Argument(help="A checkpoint (.pth, .bin, .ckpt) or safetensors file.")],
    name: Annotated[str, typer.Option("--as", help="The model whose weights it holds.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Install weights from a file: recognise its layout, convert it, build the model from it, and only then keep it.

    Nothing in the file is run. A head in a checkpoint of BigDatasetGAN goes into the workspace.
    """
    from bdgan_cli.workflows.model_install import AddConfig, add_model

    result = add_model(AddConfig(file, name, workspace, overwrite, dry_run), terminal.reporter(quiet))
    if as_json:
        terminal.emit_json(result._asdict())
        return
    rows = [
        ("model", result.name),
        ("found", f"{result.layout}: {result.what}"),
        ("tensors", result.tensors),
        ("parameters", f"{result.parameters:,}"),
        ("pictures", f"{result.resolution} px"),
        ("installed" if result.installed else "would be installed", f"{result.folder} ({_size(result.size)})"),
    ]
    rows += [("head", result.head)] if result.head else []
    terminal.table("", ["field", "value"], rows)


@models_app.command("verify", epilog="Example: bdgan models verify tiny-biggan")
def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Models to verify; all of them if none is named.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check size and sha256 of each model's files, load it, and run a generator once.

    Exits 3 if one fails, and 4 if one that was named is not installed.
    """
    from bdgan_cli.workflows.models import verify_models

    checks = verify_models(names or [], terminal.reporter())
    if as_json:
        fields = [{"name": c.name, "problem": c.problem, "installed": c.is_installed} for c in checks]
        terminal.emit_json({"models": fields})
    else:
        absent = {c.name: f"not installed; bdgan models pull {c.name}" for c in checks if not c.is_installed}
        terminal.table("", ["name", "state"], [(c.name, c.problem or absent.get(c.name, "ok")) for c in checks])
    if any(check.problem for check in checks):
        raise typer.Exit(3)
    if names and not all(check.is_installed for check in checks):
        raise typer.Exit(4)


def _state(card: Any) -> str:
    if not card.sources:
        return "embedded" if card.files else "by package"
    return "installed" if card.is_installed else "not installed"


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size else "not published"


def _fields(card: Any) -> dict[str, Any]:
    from dataclasses import asdict

    fields = asdict(card)
    fields["files"] = [{key: entry[key] for key in ("name", "sha256", "size")} for entry in fields["files"]]
    return {**fields, "weights": _state(card)}
