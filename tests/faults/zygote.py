"""The parent of all trials: imports everything once, computes nothing, and forks a child for each command.

Reads one JSON object a line from stdin, runs ``bdgan`` with its ``args`` in a child, and answers with a line. A fork is
safe only while there is a single thread, so none may have been started: a child that inherits half of a pool hangs.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import pkgutil
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tests.faults.events import Events, Fault

_MORE = ("torch.utils.tensorboard.writer", "lightning_fabric", "rich.progress", "matplotlib.backends.backend_agg",
         "matplotlib.backends.backend_svg", "torchvision.models", "pyarrow.dataset")  # fmt: skip


def preload() -> None:
    """Import every module of the package, and what they import late."""
    import bdgan_cli

    for module in pkgutil.walk_packages(bdgan_cli.__path__, "bdgan_cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in _MORE:
        importlib.import_module(name)


def run_child(job: dict[str, Any], report: int) -> int:
    """Run the command; the parent learns of the events through a pipe, and of nothing if the child is killed."""
    from bdgan_cli.cli.main import main

    os.chdir(job["cwd"])
    os.environ.update(job["env"])
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), descriptor)
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(n, "w"), write_through=True) for n in (1, 2))
    if job["setup"]:
        module, _, function = job["setup"].partition(":")
        getattr(importlib.import_module(module), function)(job["cwd"])
    events = Events(Path(job["cwd"]), Fault(**job["fault"]))
    events.install()
    try:
        code = main(job["args"])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 70
    os.write(report, json.dumps(events.names).encode())
    return code


def serve(job: dict[str, Any]) -> dict[str, Any]:
    """Fork, wait, and send signals at the times asked for."""
    reading, writing = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code = 70
        try:
            code = run_child(job, writing)
        finally:
            os._exit(code)
    os.close(writing)
    due = sorted(((seconds, number) for seconds, number in job["signals"]), reverse=True)
    told, deadline = b"", started + job["timeout"]
    while True:
        moment = started + due[-1][0] if due else deadline
        ready, _, _ = select.select([reading], [], [], max(0.0, moment - time.monotonic()))
        if ready:
            block = os.read(reading, 1 << 20)
            if not block:
                break
            told += block
        elif due:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, due.pop()[1])
        else:
            os.kill(child, signal.SIGKILL)
            told = b'["timeout"]'
            break
    os.close(reading)
    _, status = os.waitpid(child, 0)
    return {"status": os.waitstatus_to_exitcode(status), "events": json.loads(told or b"null"),
            "seconds": time.monotonic() - started}  # fmt: skip


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    preload()
    threads = len(list(Path("/proc/self/task").iterdir())) if Path("/proc/self/task").is_dir() else 1
    answers.write(json.dumps({"threads": threads}) + "\n")
    for line in sys.stdin:
        answers.write(json.dumps(serve(json.loads(line))) + "\n")


if __name__ == "__main__":
    main()
