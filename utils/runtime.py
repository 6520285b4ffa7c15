"""How TensorFlow is started: environment, threads, determinism, precision, device.

Importing this module imports no TensorFlow. `utils/__init__.py` calls `set_environment` before any other module of the
package can import TensorFlow, because some switches are read at that moment only.
"""

import contextlib
import errno
import importlib.util
import io
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from utils.config import Experiment
from utils.errors import InputError

OWN: set[str] = set()
"""Variables of the environment that `set_environment` has set, and not the user."""


def set_environment() -> None:
    """Set what TensorFlow reads when it is imported; whatever the user has set stays.

    oneDNN's kernels are off by default on some CPUs (AMD's among them), where they are nearly twice as fast.
    Informational log lines are left out; warnings and errors are shown. The models are written for TensorFlow, so the
    backend that Keras takes elsewhere does not count here.
    """
    for name in ("TF_ENABLE_ONEDNN_OPTS", "TF_CPP_MIN_LOG_LEVEL"):
        if name not in os.environ:
            os.environ[name] = "1"
            OWN.add(name)
    os.environ["KERAS_BACKEND"] = "tensorflow"


def open_closed_streams() -> None:
    """Let standard streams that were closed (`2>&-`) lead nowhere. Otherwise Python has None in their place, progress
    bars and warnings fail, and the next file that is opened gets their number and what C code writes to it."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:  # the system gives the lowest number that is free
        os.set_inheritable(number, True)
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def outlive_readers() -> None:
    """Let this process go on when whoever read its output has left (`| head`, a pager, a terminal that was closed): a
    training is not there to be read. The signal that such a terminal sends, too, is for `training.loop` to answer."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        raw = io.BufferedWriter(_Outliving(stream.fileno(), "w", closefd=False))
        how = {"encoding": stream.encoding, "errors": "backslashreplace", "line_buffering": True}
        setattr(sys, name, io.TextIOWrapper(raw, **how))


class _Outliving(io.FileIO):
    def write(self, data) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(data)


def keep_matplotlib_plain() -> None:
    """Let figures look the same for everybody, and not fail (`text.usetex`): the user's matplotlibrc, which Matplotlib
    looks for in the current folder, then in MATPLOTLIBRC, then at home, does not count in this process."""
    os.environ.pop("MPLBACKEND", None)
    installed = importlib.util.find_spec("matplotlib")
    os.environ["MATPLOTLIBRC"] = os.path.join(os.path.dirname(installed.origin), "mpl-data", "matplotlibrc")
    if os.path.exists("matplotlibrc"):
        import matplotlib

        matplotlib.rcdefaults()


@dataclass(frozen=True)
class Device:
    """What the arithmetic runs on.

    Attributes:
        kind: "CPU" or "GPU".
        name: as the system tells it; of several GPUs the first one's.
        count: cores, or GPUs that there are. Of these one computes, and is what the words name, unless a
            `training.team.Team` says how many do.
    """

    kind: str
    name: str
    count: int

    def __str__(self) -> str:
        return f"{self.count} {self.name} core{'s' * (self.count > 1)}" if self.kind == "CPU" else self.name


def import_tensorflow() -> None:
    """Import TensorFlow without its start-up chatter; does nothing if it is imported already."""
    if "tensorflow" in sys.modules:
        return
    with _without_start_up_chatter():
        import tensorflow as tf

        tf.config.list_physical_devices("GPU")  # the drivers are asked here, and have their say here


def start(precision: str = "float32") -> Device:
    """Configure TensorFlow for reproducible training; call it before models are built. Calling it again is harmless.

    Args:
        precision: "float32", "mixed_bfloat16" or "mixed_float16" (see `config.TrainingConfig.precision`).

    Returns:
        The device that TensorFlow will use.
    """
    import_tensorflow()
    import keras
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    tf.random.set_seed(0)  # which random operations then insist on; the project's own have seeds of their own
    # Grappler's remapper fuses convolution, bias and LeakyReLU into a oneDNN kernel whose gradient it then fails to
    # place, and logs an error for each graph. Without this one rewrite the graph is right and nothing is logged.
    tf.config.optimizer.set_experimental_options({"remapping": False})
    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:  # the GPU is in use already, so its memory has been laid out
            pass
    keras.config.set_floatx("float32")  # whatever ~/.keras/keras.json says
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.mixed_precision.set_dtype_policy(precision)
    return device()


def has_bfloat16(cpu: str | None = None) -> bool | None:
    """Whether the CPU computes with bfloat16 itself; where it does not, every operation is emulated.

    Args:
        cpu: what the system says of it; /proc/cpuinfo by default.

    Returns:
        The answer; None where the system does not say.
    """
    if cpu is None:
        try:
            cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    listed = [line.split(":", 1)[1].split() for line in cpu.splitlines() if line.startswith(("flags", "Features"))]
    known = {flag for flags in listed for flag in flags}
    return bool(known & {"avx512_bf16", "amx_bf16", "bf16", "svebf16"}) if listed else None  # Intel and AMD; ARM


def check_precision(precision: str, forced: bool = False, cpu: str | None = None, kind: str | None = None) -> None:
    """Refuse a precision that this machine would emulate.

    Args:
        precision: as for `start`.
        forced: whether to let it pass.
        cpu: as for `has_bfloat16`.
        kind: of the device, "CPU" or "GPU"; TensorFlow is asked by default.

    Raises:
        InputError: bfloat16 on a CPU without its arithmetic.
    """
    if precision != "mixed_bfloat16" or forced or has_bfloat16(cpu) is not False:
        return
    if kind is None:
        import_tensorflow()
        kind = device().kind
    if kind == "CPU":
        raise InputError(
            "This processor has no bfloat16 arithmetic (avx512_bf16, amx_bf16 or ARM's bf16), so mixed_bfloat16 would "
            "be emulated, 6 times slower than float32 or worse: use --precision float32, or a machine that has it, or "
            "insist with --force-precision."
        )


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Build networks in float32, whatever precision a training asked for."""
    import keras

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


@contextlib.contextmanager
def memory_in_words(experiment: Experiment) -> Iterator[None]:
    """Say that a device has too little memory for what an experiment needs.

    Raises:
        InputError: in place of what TensorFlow says. What it says of a full disk, by the same code, or of the memory of
            another worker stays as it is.
    """
    import tensorflow as tf

    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        if not re.search("OOM|out of memory|allocat", error.message, re.I) or "Collective ops" in error.message:
            raise
        size = experiment.model.image_size
        raise InputError(
            f"The memory of {device()} is not enough to train in batches of {experiment.training.batch_size} images of "
            f"{size}x{size} pixels: train with a smaller --batch-size, --width or --image-size, or where there is more."
        ) from error


# What TensorFlow 2.21 prints whatever TF_CPP_MIN_LOG_LEVEL says, because it comes before its logging is set up.
_CHATTER = (
    "WARNING: All log messages before absl::InitializeLog()",
    "I0000 ",  # informational lines
    "To enable the following instructions:",
)
_NO_GPU = "failed call to cuInit"  # said on every machine without a GPU


@contextlib.contextmanager
def _without_start_up_chatter() -> Iterator[None]:
    """Hold back what is written to standard error while TensorFlow starts, then pass on all but the known chatter.

    The lines come from C++ code, so they have to be caught at the file descriptor.
    """
    try:
        sys.stderr.flush()
        screen = os.dup(2)
    except (OSError, AttributeError):  # no standard error to hold back
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(screen, 2)
            os.close(screen)
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines():
                if not line.startswith(_CHATTER) and _NO_GPU not in line:
                    print(line, file=sys.stderr)


def device() -> Device:
    """The device that TensorFlow will use."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return Device("GPU", details.get("device_name", "GPU"), len(gpus))
    return Device(
        "CPU", cpu_name(), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    )


def commit() -> str | None:
    """The commit of the project that is running, with "+changes" where files were changed since; None without Git.

    Notebooks are passed over: Jupyter rewrites them whenever they are run, and no training depends on them.
    """

    def git(*arguments: str, good: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess:
        command = ("git", "-C", str(Path(__file__).parent), *arguments)
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        if done.returncode not in good:
            done.check_returncode()
        return done

    try:
        name = git("describe", "--always", "--abbrev=12", "--exclude=*").stdout.strip()
        changed = git("diff", "--quiet", "HEAD", "--", ":/", ":(top,exclude)notebooks/*.ipynb", good=(0, 1)).returncode
    except (OSError, subprocess.SubprocessError):
        return None
    return (name + "+changes" * changed) or None


def environment() -> dict:
    """Versions and device of this process, for `environment.json`."""
    import keras
    import numpy as np
    import tensorflow as tf

    used = device()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "device": {"kind": used.kind, "name": used.name, "count": used.count},
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
        "precision": keras.mixed_precision.dtype_policy().name,
    }


VERSIONS = ("python", "tensorflow", "keras", "numpy")
"""Of what the environment tells, the libraries that decide what a training gives."""


def versions_of(environment: dict) -> dict[str, str]:
    """Those of an environment."""
    return {name: environment[name] for name in VERSIONS}


def peak_memory() -> int:
    """The most memory this process has held so far, in bytes (pages of mapped files count too)."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def cpu_name(about: str | Path = "/proc/cpuinfo") -> str:
    """The processor, as the system tells it in that file.

    A virtual machine often calls all generations alike ("AMD EPYC"). A name without any number is therefore followed by
    family and model, which tell them apart wherever records of two machines meet.
    """
    try:
        first = Path(about).read_text(encoding="utf-8").split("\n\n")[0]  # the others are alike
        facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}
        name = facts["model name"]
    except (OSError, KeyError):
        return platform.processor() or platform.machine() or "CPU"
    if any(character.isdigit() for character in name) or not {"cpu family", "model"} <= set(facts):
        return name
    return f"{name} (family {facts['cpu family']}, model {facts['model']})"
