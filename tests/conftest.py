"""What several tests need: TensorFlow started as the project starts it, and tiny experiments that train in seconds."""

import collections
import shutil
import signal

import numpy as np
import pytest

from utils import pretrained, runtime
from utils.config import preset, replace
from utils.data import Dataset
from utils.runs import Run

pytest.register_assert_rewrite("comparing")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than about ten seconds")
    # A shell's background job ignores Ctrl-C, and so would the processes that tests start and then send it to.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Files with the most slow tests first, so that no process ends with a long one while the other is idle."""
    slow = collections.Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session", autouse=True)
def _tensorflow():
    runtime.start()


@pytest.fixture(scope="session", autouse=True)
def _prepared_here():
    """Images are prepared in this process, unless a test asks for others: starting these takes longer than the work.

    Processes that tests start prepare as users' do. That the bytes do not depend on it is for `test_data_prepare.py`.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("utils.data.prepare._free_cores", lambda: 1)
        yield


@pytest.fixture
def float64():
    """Compute in float64, where the two ways differ by 1e-12 or they differ truly.

    Adam divides a gradient by its own size. Where a gradient is zero but for rounding (a bias before batch
    normalisation), float32's rounding alone would decide steps of up to the learning rate.
    """
    import keras  # once the runtime is set up

    keras.mixed_precision.set_dtype_policy("float64")
    yield
    keras.mixed_precision.set_dtype_policy("float32")


@pytest.fixture
def eagerly(monkeypatch):
    """Updates as they are written, not compiled, where one or two are done: compiling takes longer than these.

    That a compiled update computes the same is for `test_step.py`, which compiles.
    """
    import tensorflow as tf  # once the runtime is set up

    def as_written(step, xla):
        # A compiled function makes tensors of what it is given.
        return lambda *given: step(*(None if value is None else tf.constant(value) for value in given))

    monkeypatch.setattr("utils.training.step.compiled", as_written)


@pytest.fixture
def undrawn(monkeypatch):
    """Nothing is drawn from the records."""
    from light import leave_undrawn  # once the runtime is set up

    leave_undrawn(monkeypatch)


@pytest.fixture
def light(monkeypatch, undrawn):
    """Trainings that cost little; batches, epochs, records, checkpoints and models are real."""
    from light import Light  # once the runtime is set up

    monkeypatch.setattr("utils.training.loop.Update", Light)


@pytest.fixture
def tiny():
    """report32 with few channels and dropout, two epochs of three updates on 24 images."""
    return replace(preset("report32"), name="faces", width=0.0625, count=24, batch_size=8, epochs=2, summary_samples=16)


@pytest.fixture
def noise_images():
    """uint8 (24, 32, 32, 3), different pictures."""
    return np.random.default_rng(5).integers(0, 256, (24, 32, 32, 3), np.uint8)


@pytest.fixture
def noise_dataset(noise_images):
    return Dataset(name="noise", title="noise", images=noise_images, fingerprint="0123456789abcdef")


@pytest.fixture(scope="session")
def _kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def trained(tiny, noise_dataset, _kept, tmp_path):
    """A copy, for each test, of one finished run of `tiny`: two epochs of three updates each."""
    from utils.training import train  # once the runtime is set up

    if not any(_kept.iterdir()):
        train(tiny, dataset=noise_dataset, runs_dir=_kept, progress=False)
    whole = Run.find("last", _kept)
    return Run(shutil.copytree(whole.folder, tmp_path / "faces" / whole.folder.name))


@pytest.fixture
def cards_of_before(monkeypatch):
    """The cards of models as an earlier version wrote them: figures of one space, without a passport."""
    whole = pretrained.Pretrained.card.func

    def card(model: pretrained.Pretrained) -> dict:
        distance = whole(model)["distance"]
        return whole(model) | {"distance": {key: distance[key] for key in ("space", "fingerprint", "kernel", "floor")}}

    monkeypatch.setattr(pretrained.Pretrained, "card", property(card))
