"""``bdgan benchmark transfer``: train on one domain, test on it and on another without fine-tuning (supplement B.3)."""

from __future__ import annotations

from bdgan_cli.errors import UsageError
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.workflows.benchmark.arms import arms_named
from bdgan_cli.workflows.benchmark.benchmark import IN_DOMAIN, finish, sets_of, test_set
from bdgan_cli.workflows.benchmark.config import (
    BenchmarkConfig,
    begin,
    is_embedded,
    settle,
    study_folder,
)
from bdgan_cli.workflows.benchmark.page import PageExtras
from bdgan_cli.workflows.benchmark.paper import TRANSFER
from bdgan_cli.workflows.benchmark.result import StudyResult
from bdgan_cli.workflows.benchmark.study import Study, run_study
from bdgan_cli.workflows.benchmark.world import ARMS, World

TRANSFERRED = "transfer"
PAPER_COLUMNS = ("trained on", "ImageNet-MC-16", "MS-COCO-MC-16")


def benchmark_transfer(
    config: BenchmarkConfig, transfer_test: str | None = None, report: Reporter | None = None
) -> StudyResult:
    """Train every arm and test it on both domains; a study that was stopped goes on.

    Args:
        config: What to train on, and the test set of the same domain; the arms sup and off unless others are named.
        transfer_test: ``PATH[@view]`` of the other domain's test set. The embedded world has one of its own, whose
            poses and shapes spread further.
        report: Where progress goes.

    Raises:
        UsageError: If an option cannot be right, or the folder holds another study.
        MissingError: If a dataset, generator or head is missing.
        DataError: If a dataset, checkpoint or result is damaged.
    """
    report, runtime = report or Silent(), begin(config)
    task, recipe, init = settle(config)
    if is_embedded(config, task):
        world = World(config.workspace, config.world, config.world_seed, runtime, report)
        names = arms_named(config.arms or ("sup", "off-1k", "off-10k"), ARMS)
        arms, test, other = runtime.first_alone(
            lambda: (tuple(ARMS[name](world) for name in names), world.test(), transfer_test or world.shifted())
        )
    elif transfer_test is None:
        raise UsageError(
            "transfer to which pictures? expected --transfer-test",
            f"import some: bdgan data import coco FILE --images DIR --task {config.task}",
        )
    else:
        arms, test, other = sets_of(config, report, ("sup", "off")), test_set(config, report), transfer_test
    study = Study(
        task, recipe, init, arms, {IN_DOMAIN: test, TRANSFERRED: other}, tuple(range(config.seeds)),
        study_folder(config, task, "transfer"),
    )  # fmt: skip
    records, tests = run_study(study, runtime, report, workers=config.workers, overwrite=config.overwrite)
    rows = [list(row) for row in TRANSFER.values()]
    return finish(study, records, tests, runtime, PageExtras(paper_table=(PAPER_COLUMNS, rows)))
