"""The run's record once more, for TensorBoard: scalars and grids.

TensorBoard's event files can only grow, so what a killed run wrote past its last checkpoint could not be taken back.
They hold nothing that the run folder does not, and are simply written anew on resume.
"""

import contextlib
import shutil
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from utils.lengths import Length
from utils.runs import Rows, Run, columns
from utils.text import one_line
from utils.viz import read_png

POINTS = 50
"""Losses go to TensorBoard as means over so many parts between two summaries; steps.jsonl has every update."""


class Board:
    """Writes one run's events.

    Args:
        run: the run; events of earlier summaries are written at once, those of an earlier process are removed.
        length: the run's length.
    """

    def __init__(self, run: Run, length: Length):
        self._run, self._length = run, length
        shutil.rmtree(run.board, ignore_errors=True)
        self._written, self._steps = 0, Rows(run.steps_file)  # units, and the updates behind them
        self._ended = False
        with self._or_none():
            self._writer = tf.summary.create_file_writer(str(run.board))
        for record in run.epochs():
            self.write_summary(record)

    def write_summary(self, record: dict) -> None:
        """Write what came since the last summary: `record`, as this one gave it, and the updates in between."""
        if not self._ended:
            with self._or_none():
                self._write(record)

    @contextlib.contextmanager
    def _or_none(self) -> Iterator[None]:
        """A copy that cannot be written, on a full disk say, is no reason to stop; the run's own records may be."""
        try:
            yield
        except tf.errors.OpError as error:
            self._ended = True
            why = one_line(error.message)
            self._run.log(f"Nothing more is written for TensorBoard ({why}); `resume` writes all of it anew.")

    def _write(self, record: dict) -> None:
        unit = self._length.unit
        number = record[unit]
        with self._writer.as_default():
            if number:
                count = (number - self._written) * self._length.each
                part = columns(self._steps.read(count))
                names = [name for name in part if name not in ("update", "epoch")]
                cuts = np.array_split(np.arange(count), min(POINTS, count))
                for cut in cuts:
                    for name in names:
                        values = part[name][cut]
                        values = values[np.isfinite(values)]  # a lazy term is not there in most updates
                        if len(values):
                            tf.summary.scalar(f"updates/{name}", values.mean(), int(part["update"][cut[-1]]))
            for name, value in record.items():
                if name != unit:
                    tf.summary.scalar(f"summaries/{name}", value, number)
            if (grid := self._run.grid(number)).is_file():  # whoever needs the space may have deleted it
                tf.summary.image("grid", read_png(grid)[None], number)
        self._written = number
        self._writer.flush()
