"""Several devices, or several workers, that compute every update together.

TensorFlow's strategies start the cluster, run the same function once for each replica and add up over replicas
(`all_reduce`). What they offer beyond that is not used, because Keras 3 fails on it: `fit` does not work with several
workers (keras#20585, keras#20601), and its optimisers hand their step to the strategy, which takes variables made by
itself only. So each replica has plain networks and optimisers of its own on its device, which the same seed gives the
same weights; gradients, batch statistics and records are averaged (`utils.replicas`), and each replica takes the same
plain step.
"""

import contextlib
import functools
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from utils.cluster import cluster_for, find_cluster, launched
from utils.config import Experiment
from utils.errors import InputError, WorkerLost
from utils.text import one_line
from utils.training.players import Players, build_players

TRYING = 2
"""On a machine without GPUs, `mirrored` makes so many devices of the processor, for trying: nothing gets faster."""
_PIECE = 1 << 20  # bytes that are shared at a time
_OWN = ("Operation received an exception", "could not create", "CUDA", "cuDNN", "CUBLAS")
"""Words of errors that are of this process's own computing: of oneDNN's and of a GPU's."""
_PASSED_ON = "Collective ops is aborted by"
"""With these words TensorFlow begins what another worker has failed for."""
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


def team_for(
    strategy: str,
    experiment: Experiment,
    say: Callable[[str], None] = lambda sentence: None,
    before: int | None = None,
) -> "Team | None":
    """Those who compute the updates of an experiment together; None where one device does.

    With workers this waits until all of them are there. TensorFlow must not have computed anything before.

    Args:
        strategy: "one"; "mirrored": all GPUs of this machine; "workers": all workers that TF_CONFIG or SLURM tell of,
            each with all its GPUs, also where there is but one; "auto": whichever of these there are, and of the GPUs
            of this machine as many as can share the experiment, since nobody asked for them; or as many devices as
            before, where these are there.
        experiment: what they are to train.
        say: is told how many GPUs compute, and why no more, where "auto" leaves some out.
        before: how many devices of one machine have computed the updates of a run so far: with others bits would
            differ. None of a new one, and of one that several workers did.

    Raises:
        InputError: there are no such devices or workers, or the experiment cannot be shared among them.
    """
    if cluster := cluster_for(strategy):
        check_shared(strategy, experiment, before)
        os.environ["TF_CONFIG"] = cluster.tf_config()
        return Team(_strategy(), len(cluster.workers), cluster.index)
    gpus = len(tf.config.list_physical_devices("GPU"))
    count, there = 1, gpus or TRYING
    if strategy == "workers":  # one alone
        strategy = "mirrored" if gpus > 1 else "one"
    if strategy == "mirrored":
        check_shared(strategy, experiment, before)
        count = there
    if strategy == "auto":
        most = before if before and before <= there else gpus
        count = next((few for few in range(most, 1, -1) if not _obstacle(experiment, few)), 1)
        if count < gpus:
            kept = "as before, for the same bits; --strategy mirrored takes all."
            why = kept if count == before else _obstacle(experiment, gpus)
            say(f"{count} of {gpus} GPUs compute{'s' * (count == 1)}: {why}")
    if count == 1:
        return None
    return Team(_strategy(*(f"{'GPU' if gpus else 'CPU'}:{number}" for number in range(count))))


def check_shared(strategy: str, experiment: Experiment, before: int | None = None) -> None:
    """Refuse what several cannot train together, as `team_for` does, before any of them is set up.

    Args:
        strategy, experiment, before: as for `team_for`.

    Raises:
        InputError: as `team_for`.
    """
    gpus = len(tf.config.list_physical_devices("GPU"))
    if cluster := cluster_for(strategy):
        replicas = len(cluster.workers) * max(1, gpus)
    elif strategy == "mirrored" or (strategy == "workers" and gpus > 1):
        if gpus == 1:
            raise InputError("--strategy mirrored needs several GPUs, and this machine has one: leave it out.")
        replicas = gpus or TRYING
    else:
        return
    if why := _obstacle(experiment, replicas, apart=cluster is not None, of_run=before is not None):
        raise InputError(why)


@functools.cache
def _strategy(*devices: str) -> tf.distribute.Strategy:
    """TensorFlow's strategy for devices of this machine, or for the workers of TF_CONFIG if none are named.

    There is one in a process: a second one would number its sums over replicas like the first, and TensorFlow take them
    for the same.
    """
    try:
        if not devices:
            return _joined()
        if devices[0].startswith("CPU"):
            parts = [tf.config.LogicalDeviceConfiguration() for _ in devices]
            tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
        return tf.distribute.MirroredStrategy(devices)
    except RuntimeError as error:
        raise InputError(
            f"Several devices or workers must be set up before TensorFlow computes anything in this process: {error}"
        ) from error


def _joined() -> tf.distribute.Strategy:
    """The strategy for the workers of TF_CONFIG, when all of them are there.

    TensorFlow waits for them, for an hour, in code that Python's answer to Ctrl-C does not reach: the system's does.
    """
    cluster = find_cluster()
    if not launched():
        others = ", ".join(address for i, address in enumerate(cluster.workers) if i != cluster.index)
        print(f"Worker {cluster.index} waits for the others: {others[:300]}", file=sys.stderr)
    here = threading.current_thread() is threading.main_thread()  # only this one may set how signals are answered
    answer = here and signal.getsignal(signal.SIGINT)
    if answer is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise InputError(
            f"Worker {cluster.index} could not join the others from {cluster.workers[cluster.index]}: see to it that "
            f"nobody else listens there, and that all of them are started. TensorFlow: {one_line(error.message)[:200]}"
        ) from error
    finally:
        if answer is signal.default_int_handler:
            signal.signal(signal.SIGINT, answer)


def _obstacle(experiment: Experiment, replicas: int, apart: bool = False, of_run: bool = False) -> str | None:
    """Why an experiment, or that of a run, whose settings stay, cannot be shared among replicas, in a sentence; None if
    it can."""
    model, training = experiment.model, experiment.training
    if training.batch_size % replicas:
        return (
            f"batch_size must be a multiple of the devices that share it. Received: batch_size={training.batch_size}, "
            f"devices={replicas}."
        )
    if model.batch_norm_parts > 1 and model.batch_norm_parts % replicas:
        return (
            f"batch_norm_parts must be a multiple of the devices that share the batch. "
            f"Received: batch_norm_parts={model.batch_norm_parts}, devices={replicas}."
        )
    for holds, what, whom in (
        (training.precision == "mixed_float16", "--precision mixed_float16", "devices (mixed_bfloat16 is)"),
        (training.xla == "on", "--xla on", "devices"),
        (
            training.recipe == "rotation" and training.batch_size // replicas % 4,
            "--recipe rotation with a number of images for each device that 4 does not divide",
            "devices",
        ),
        (apart and training.on_collapse == "rollback", "--on-collapse rollback (to go back when it fails)", "workers"),
        (apart and model.conditions == "text", "--conditions text", "workers"),
    ):
        if holds and of_run:
            return (
                f"This run has {what}, which is not made for several {whom}: go on with `./dcgan resume RUN --strategy "
                "one`, without launch."
            )
        if holds:
            return f"{what} is not made for several {whom}; leave it out, or use --strategy one, without launch."
    return None


class Team:
    """Those who compute updates together.

    Attributes:
        workers: how many processes they are.
        index: which of them this one is; 0 is the chief, who alone writes to the run folder.
        devices: how many each of them has.
    """

    def __init__(self, strategy: tf.distribute.Strategy, workers: int = 1, index: int = 0):
        self._strategy, self.workers, self.index = strategy, workers, index
        self._places = strategy.extended.worker_devices
        self.devices = len(self._places)
        self._numbers = strategy.experimental_distribute_values_from_function(
            lambda context: context.replica_id_in_sync_group % self.devices
        )
        self._sets: list[Players] = []

    def __str__(self) -> str:
        devices = f"{self.devices} device{'s' * (self.devices > 1)}"
        return f"{self.workers} workers with {devices} each" if self.workers > 1 else devices

    @property
    def is_chief(self) -> bool:
        return self.index == 0

    def align(self, players: Players, experiment: Experiment) -> None:
        """Give all replicas the variables that the chief's first one has.

        Args:
            players: those of the first one here.
            experiment: what they are made of, as those of the others are. A conditional one has its names by now, which
                it gets of the images: these are read when all devices are set up.
        """
        if not self._sets:
            others = []
            for place in self._places[1:]:
                with tf.device(place):
                    others.append(build_players(experiment))
            self._sets = [players, *others]
        values = {name: np.asarray(variable) for name, variable in players.variables().items()}
        if self.workers > 1:
            values = self.share(values if self.is_chief else None)
        for each in self._sets:
            for name, variable in each.variables().items():
                variable.assign(values[name])

    def compiled(self, step: Callable, players: Players) -> Callable:
        """A step of one replica, compiled for all of them.

        Args:
            step: step(players, images, *others) -> what it records, float32 (R,).
            players: of the first replica of this process, as they were aligned.

        Returns:
            A function (stop, images, *others) -> the means of the records over the replicas, and of `stop` as the last.

        Shapes:
            images: uint8 (K, B / workers, S, S, 3); of these a replica's step gets its rows.
        """
        assert self._sets and self._sets[0] is players

        def replica(number, stop, images, *others):
            each = images.shape[1] // self.devices
            recorded = step(self._sets[number], images[:, number * each : (number + 1) * each], *others)
            return _mean(tf.concat([recorded, [stop]], 0))

        def run(*given):
            return self._strategy.experimental_local_results(self._strategy.run(replica, (self._numbers, *given)))[0]

        return tf.function(run, autograph=False)

    def share(self, values: dict | None = None) -> dict:
        """Tell all workers what the chief knows; each of them waits for it.

        Args:
            values: arrays, text or numbers by name, of the chief; None of the others.

        Returns:
            The same in all of them, as arrays.
        """
        if self.workers == 1:
            return {name: np.asarray(value) for name, value in values.items()}
        buffer = io.BytesIO()
        if values is not None:
            np.savez(buffer, **values)
        sent = np.frombuffer(buffer.getvalue(), np.uint8)
        size = int(self._sum(np.array([len(sent) // _PIECE, len(sent) % _PIECE], np.float32)) @ [_PIECE, 1])
        received = bytearray()
        for start in range(0, size, _PIECE):
            piece = np.zeros(_PIECE, np.float32)  # which holds whole numbers so small exactly, and every device adds
            mine = sent[start : start + _PIECE]
            piece[: len(mine)] = mine
            received += self._sum(piece).astype(np.uint8).tobytes()
        with np.load(io.BytesIO(bytes(received[:size])), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    def _sum(self, values: np.ndarray) -> np.ndarray:
        if not hasattr(self, "_summing"):

            def run(values):
                # All replicas of a worker have the same, so the chief's are counted as often as it has devices.
                return self._strategy.experimental_local_results(self._strategy.run(_mean, (values,)))[0]

            self._summing = tf.function(run, autograph=False, reduce_retracing=True)
        return np.rint(np.asarray(self._summing(values)) * self.workers)


def _mean(values):
    values = tf.identity(values)  # by which they are on this replica's device: an argument is on none
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, values)


@contextlib.contextmanager
def losses_in_words(team: Team | None, folder: str = "") -> Iterator[None]:
    """Say in a sentence that a worker is lost.

    Raises:
        WorkerLost: in place of what TensorFlow says.
    """
    try:
        yield
    except _LOST as error:
        own = any(words in error.message for words in _OWN) and _PASSED_ON not in error.message
        if team is None or team.workers == 1 or own:
            raise
        raise WorkerLost(folder, team.workers) from error
