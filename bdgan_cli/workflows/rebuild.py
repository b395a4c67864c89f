"""``bdgan data merge | split | materialize``: new datasets out of old ones, without rewriting shards where possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from bdgan_cli.dataset.reader import Dataset, open_dataset
from bdgan_cli.dataset.rebuild import NewShard, Source, digest_of, plan_shards, write_shards
from bdgan_cli.dataset.schema import DatasetInfo, safe_key
from bdgan_cli.dataset.splits import draw_splits, parse_fractions
from bdgan_cli.dataset.union import common, join_classes, join_kind, join_labels
from bdgan_cli.dataset.views import list_views, read_view, write_view
from bdgan_cli.dataset.writer import open_for_writing, refuse_foreign_folder, writer_lock
from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.progress import Reporter, Silent


@dataclass(frozen=True)
class RebuildResult:
    """What became of a dataset.

    Attributes:
        root: The dataset's folder; that of the old one where only views were written.
        written: Whether anything was written; not on a dry run.
        samples: Number of samples.
        taken_over: Shards that are links or copies of old ones.
        rewritten: Shards that were written anew.
        splits: Samples by split.
        renumbered: Classes that have another id than before.
        views: Views that were written.
    """

    root: Path
    written: bool
    samples: int
    taken_over: int
    rewritten: int
    splits: dict[str, int]
    renumbered: int = 0
    views: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Say in words what came of it."""
        splits = ", ".join(f"{name or 'none'} {count}" for name, count in self.splits.items())
        verb = "wrote" if self.written else "would write"
        if self.views:
            return [f"{verb} the views {', '.join(f'{self.root}@{name}' for name in self.views)}: {splits}"]
        classes = [f"{self.renumbered} classes have another id than before"] if self.renumbered else []
        shards = f"{self.taken_over} shards taken over as they are, {self.rewritten} rewritten"
        return [f"splits: {splits}", *classes, shards, f"{verb} {self.samples} samples to {self.root}"]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "dataset": str(self.root),
            "written": self.written,
            "samples": self.samples,
            "shards_taken_over": self.taken_over,
            "shards_rewritten": self.rewritten,
            "splits": self.splits,
            "classes_renumbered": self.renumbered,
            "views": list(self.views),
        }


@dataclass(frozen=True)
class MergeConfig:
    """What to merge.

    Attributes:
        datasets: ``PATH`` or ``PATH@view`` each, at least one.
        out: The new dataset's folder.
        kind: Its kind; None takes that of all of them.
        rename: Put each dataset's name in front of its keys.
        dry_run: Check everything and write nothing.
        overwrite: Replace the dataset that is there.
    """

    datasets: tuple[str, ...]
    out: Path
    kind: str | None = None
    rename: bool = False
    dry_run: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class SplitConfig:
    """How to split.

    Attributes:
        dataset: ``PATH`` or ``PATH@view``.
        splits: ``train=0.8,val=0.2``; None takes the splits that the samples carry, as views.
        seed: Names the draw.
        out: Folder of a new dataset whose samples carry the splits; None writes a view for each split.
        dry_run: Check everything and write nothing.
        overwrite: Replace the dataset or the views that are there.
    """

    dataset: str
    splits: str | None
    seed: int = 0
    out: Path | None = None
    dry_run: bool = False
    overwrite: bool = False


def merge(config: MergeConfig, report: Reporter | None = None) -> RebuildResult:
    """Make one dataset out of several.

    Raises:
        MissingError: If there is no such dataset or view.
        UsageError: If kinds or labels do not agree, or the folder holds something else.
        DataError: If two samples have the same key, or a sample is damaged.
    """
    datasets = [open_dataset(reference) for reference in config.datasets]
    if not datasets:
        raise UsageError("expected at least one dataset to merge", "bdgan data merge DATASET DATASET --out OUT")
    kind, labels = join_kind(datasets, config.kind), join_labels(datasets)
    classes, changes = join_classes(datasets)
    prefixes = [f"{safe_key(dataset.info.name)[:24]}_" if config.rename else "" for dataset in datasets]
    sources = [Source(*parts) for parts in zip(datasets, changes, prefixes, strict=True)]
    infos = [dataset.info for dataset in datasets]
    info = DatasetInfo(
        name=config.out.resolve().name,
        kind=kind,
        classes=classes,
        image_size=common([info.image_size for info in infos]),
        generator=common([info.generator for info in infos]),
        head=common([info.head for info in infos]),
        plan={"merged": [info.name for info in infos]},
        licence=" AND ".join(_distinct(info.licence for info in infos)),
        provenance=" ".join(_distinct(info.provenance for info in infos)),
        label_names=labels,
    )
    return _rebuild(sources, info, config, report or Silent())


def materialize(config: MergeConfig, report: Reporter | None = None) -> RebuildResult:
    """Make a view a dataset of its own; a whole dataset becomes an independent copy that shares its shards.

    Raises:
        MissingError: If there is no such dataset or view.
        UsageError: If the folder holds something else.
        DataError: If a sample is damaged.
    """
    dataset = open_dataset(config.datasets[0])
    plan = {"materialized": dataset.info.name, "view": dataset.view or ""}
    info = replace(dataset.info, name=config.out.resolve().name, plan=plan)
    return _rebuild([Source(dataset)], info, config, report or Silent())


def split(config: SplitConfig, report: Reporter | None = None) -> RebuildResult:
    """Divide a dataset by class: as views, or as a new dataset whose samples carry their split.

    Raises:
        MissingError: If there is no such dataset or view.
        UsageError: If the shares are wrong, other views of these names exist, or the folder holds something else.
        DataError: If there are no samples, or one is damaged.
    """
    dataset = open_dataset(config.dataset)
    if config.splits is None:
        return _own_splits(dataset, config)
    fractions = parse_fractions(config.splits)
    names = draw_splits(dataset.table, fractions, config.seed)
    if config.out is None:
        return _split_views(dataset, names, [fraction.name for fraction in fractions], config)
    splits = dict(zip(dataset.keys(), names, strict=True))
    plan = {"split": dataset.info.name, "shares": config.splits, "seed": config.seed}
    info = replace(dataset.info, name=config.out.resolve().name, plan=plan)
    job = MergeConfig((config.dataset,), config.out, dry_run=config.dry_run, overwrite=config.overwrite)
    return _rebuild([Source(dataset, splits=splits)], info, job, report or Silent())


def _own_splits(dataset: Dataset, config: SplitConfig) -> RebuildResult:
    """Write a view for each split that the samples carry already; those of none are in no view."""
    carried = dataset.table["split"].to_pylist()
    names = sorted({name for name in carried if name})
    if not names or config.out is not None:
        got = f"its splits {', '.join(names)}" if names else "samples of no split"
        raise UsageError(f"{dataset.reference}: expected --splits, got {got}", "use --splits train=0.8,val=0.2")
    return _split_views(dataset, carried, names, config)


def _split_views(dataset: Dataset, splits: Sequence[str], names: Sequence[str], config: SplitConfig) -> RebuildResult:
    tables = {name: _split_table(dataset, splits, name) for name in names}
    # Views that an interrupted run has written already are as they should be.
    there = [name for name in sorted(names) if _is_another_view(dataset.root, name, tables[name])]
    if there and not config.overwrite:
        raise UsageError(f"{dataset.root} has other views of these names: {', '.join(there)}", "--overwrite")
    for name, table in () if config.dry_run else tables.items():
        write_view(dataset, name, table)
    counts = {name: splits.count(name) for name in names}
    return RebuildResult(dataset.root, not config.dry_run, len(splits), 0, 0, counts, views=tuple(names))


def _split_table(dataset: Dataset, splits: Sequence[str], name: str) -> pa.Table:
    """Return a view's decisions: the samples of one split."""
    kept = [split == name for split in splits]
    reasons = ["" if split == name else f"split {split}" for split in splits]
    columns = {"key": dataset.table["key"], "kept": kept, "rule": reasons, "score": [float("nan")] * len(kept)}
    return pa.table(columns)


def _is_another_view(root: Path, name: str, table: pa.Table) -> bool:
    return name in list_views(root) and not read_view(root, name).drop(["score"]).equals(table.drop(["score"]))


def _rebuild(sources: Sequence[Source], info: DatasetInfo, config: MergeConfig, report: Reporter) -> RebuildResult:
    for source in sources:
        if config.out.exists() and config.out.samefile(source.dataset.root):
            raise UsageError(f"{config.out} is one of the datasets that it would be made of", "choose another folder")
    refuse_foreign_folder(config.out)
    shards = plan_shards(sources)
    if not shards:
        raise DataError(f"{sources[0].dataset.reference} has no samples", "see bdgan data info")
    info = replace(info, plan={**info.plan, "samples_sha256": digest_of(shards)})
    if not config.dry_run:
        with writer_lock(config.out), report.task("write", len(shards), "shards") as task:
            writer = open_for_writing(config.out, info, overwrite=config.overwrite)
            write_shards(writer, shards, task)
            writer.finalize()
    return RebuildResult(
        root=config.out,
        written=not config.dry_run,
        samples=sum(len(shard.rows) for shard in shards),
        taken_over=sum(shard.whole for shard in shards),
        rewritten=sum(not shard.whole for shard in shards),
        splits=_splits(shards),
        renumbered=sum(len(source.classes) for source in sources),
    )


def _splits(shards: Sequence[NewShard]) -> dict[str, int]:
    counts = Counter(
        row["split"] if shard.source.splits is None else shard.source.splits[row["key"]]
        for shard in shards
        for row in shard.rows.select(["key", "split"]).to_pylist()
    )
    return dict(sorted(counts.items()))


def _distinct(texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]
