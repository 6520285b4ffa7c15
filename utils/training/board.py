"""The run's record once more, for TensorBoard: scalars and grids.

TensorBoard's event files can only grow, so what a killed run wrote past its last checkpoint could not be taken back.
They hold nothing that the run folder does not, and are simply written anew on resume.
"""

import shutil

import numpy as np
import tensorflow as tf

from utils.runs import Rows, Run, columns
from utils.training.batches import Schedule
from utils.viz import read_png

POINTS_PER_EPOCH = 50
"""Losses go to TensorBoard as means over so many parts of an epoch; steps.jsonl has every update."""


class Board:
    """Writes one run's events.

    Args:
        run: the run; events of finished epochs are written at once, those of an earlier process are removed.
        schedule: the run's schedule.
    """

    def __init__(self, run: Run, schedule: Schedule):
        self._run, self._schedule = run, schedule
        shutil.rmtree(run.board, ignore_errors=True)
        self._written, self._steps = 0, Rows(run.steps_file)  # epochs, and the updates behind them
        self._writer = tf.summary.create_file_writer(str(run.board))
        for record in run.epochs():
            self.write_epoch(record)

    def write_epoch(self, record: dict) -> None:
        """Write what came since the last summary: `record`, as this one gave it, and the updates in between."""
        epoch, per_epoch = record["epoch"], self._schedule.updates_per_epoch
        with self._writer.as_default():
            if epoch:
                count = (epoch - self._written) * per_epoch
                part = columns(self._steps.read(count))
                names = [name for name in part if name not in ("update", "epoch")]
                cuts = np.array_split(np.arange(count), min(POINTS_PER_EPOCH, count))
                for cut in cuts:
                    for name in names:
                        tf.summary.scalar(f"updates/{name}", part[name][cut].mean(), int(part["update"][cut[-1]]))
            for name, value in record.items():
                if name != "epoch":
                    tf.summary.scalar(f"epochs/{name}", value, epoch)
            tf.summary.image("grid", read_png(self._run.grid(epoch))[None], epoch)
        self._written = epoch
        self._writer.flush()
