"""The work of ``chainrule train``: read, train, show, write."""

from __future__ import annotations

import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

from chainrule.cli.tables import read_table
from chainrule.data.bundled import BUNDLED
from chainrule.data.table import Table, word
from chainrule.errors import ArgumentError
from chainrule.train.tabular import Settings, Trained, baseline, prepare, train_models
from chainrule.train.tabular.results import CHECKPOINTS, check_folder, save


def run(settings: Settings, folder: Path | None, *, resume: bool, quiet: bool) -> bool:
    """Train on a file or a bundled data set, show the results and write them.

    Args:
        settings: how; an empty target stands for the bundled data set's own.
        folder: where to write; None for chainrule-out/ and the name of the data.
        resume: go on from the checkpoints of a run that was killed.
        quiet: print only the folder.

    Returns:
        Whether Ctrl-C ended it early. What the models had reached is shown and written.

    Raises:
        ChainruleError: something does not fit; nothing has been written.
    """
    # Rich costs a tenth of a second, which --help need not wait for.
    from rich.console import Console

    from chainrule.cli import report
    from chainrule.report.one_row import one_weight
    from chainrule.report.page import page, watcher
    from chainrule.report.work import Work

    start = time.perf_counter()
    models: list[Trained] = []
    checkpoints: Path | None = None
    try:
        bundled = BUNDLED.get(settings.data)
        table = read_table(settings.data, settings.encoding)
        settings = _with_target(settings, table)
        folder = folder or Path("chainrule-out") / Path(settings.data).stem
        check_folder(folder)
        study = prepare(table, settings)
        checkpoints = folder / CHECKPOINTS
        if not resume:
            shutil.rmtree(checkpoints, ignore_errors=True)
        console = Console(highlight=False, markup=False, quiet=quiet)
        title, noun = os.path.basename(settings.data), "row"
        if bundled:
            title, noun = bundled.title, bundled.row
        report.show_data(console, study, title)
        least = baseline(study)
        with report.progress(console, study) as move:
            for model in train_models(study, move, checkpoints, watcher(study)):
                models.append(model)
        # First of all the files: whoever reads the output may have closed it, as `head` does.
        try:
            shown = page(Work(study, least, models, title, noun))
        except BaseException:  # a fault of the report, or Ctrl-C, must not lose what was trained
            save(study, least, models, folder)
            raise
        files = save(study, least, models, folder, shown)
        report.show_scores(console, study, least, models)
        report.show_row(console, study, one_weight(study, models[0]), models[0].name, noun)
        if quiet:
            print(folder)
        report.show_files(console, folder, files, time.perf_counter() - start)
    except KeyboardInterrupt:
        print("Interrupted; nothing was written.", file=sys.stderr)
        return True
    last = models[-1]
    if last.interrupted:
        epoch = f"epoch {len(last.history) + 1} of the {last.name}"
        print(
            f"Interrupted in {epoch}; what it had reached is written, and --resume goes on.",
            file=sys.stderr,
        )
    else:
        shutil.rmtree(checkpoints, ignore_errors=True)
    return last.interrupted


def _with_target(settings: Settings, table: Table) -> Settings:
    if settings.target:
        return settings
    if settings.data in BUNDLED:
        return replace(settings, target=BUNDLED[settings.data].target)
    data = f'"{settings.data}"' if " " in settings.data else settings.data
    raise ArgumentError(
        "which column is to be predicted?",
        got=f"{settings.data} with the columns {', '.join(table.names)}",
        remedy=f"name one: chainrule train {data} --target {word(table.names[-1])}",
    )
