"""Several devices, several workers: the same update, but for rounding; and what becomes of a run that loses one."""

import json
import os
import signal
import socket
import subprocess
import time
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import shared_updates
import tensorflow as tf

from utils import cli, cluster, models, replicas
from utils.choice import Trial
from utils.cluster import Cluster, find_cluster
from utils.config import preset, replace
from utils.data.conditions import Conditions
from utils.errors import InputError, WorkerLost
from utils.models import build_discriminator, build_generator, fix_statistics, forward
from utils.runs import PROJECT, Run
from utils.start import command
from utils.training import resume, traffic, train
from utils.training.batches import Schedule, batches
from utils.training.estimate import estimate
from utils.training.players import build_players
from utils.training.recipes import due_at, period, recipe_of
from utils.training.step import Update
from utils.training.team import losses_in_words, team_for

# --- the same update --------------------------------------------------------------------------------------------------

CASES = ("plain in float32", "slopes through batch statistics")
"""Of those of `tests/shared_updates.py`, which takes all of them in some minutes."""


@pytest.fixture(scope="module")
def shared():
    """Updates by one device and by two, compared in a process of its own: see `tests/shared_updates.py`."""
    done = subprocess.run(
        command("tests.shared_updates", *CASES), capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_devices_give_the_update_of_one_and_stay_alike_to_the_bit(shared, case):
    """In float64 but for rounding of float64; in float32, where Adam divides by gradients, within a part of a step."""
    found = shared[case]
    assert found["replicas_alike"] and found["names"]
    assert found["weights"] < (1e-5 if "float32" in case else 1e-10)
    assert found["records"] < 1e-5  # they are float32


def test_a_worker_reads_its_rows_of_every_batch_and_all_workers_together_read_it(tiny, noise_images):
    schedule = Schedule.of(tiny, len(noise_images))
    whole = [*batches(noise_images, tiny, schedule, 1, 4)]
    parts = [[*batches(noise_images, tiny, schedule, 1, 4, worker=worker, workers=2)] for worker in (0, 1)]
    for batch, *halves in zip(whole, *parts, strict=True):
        assert np.array_equal(batch.images, np.concatenate([half.images for half in halves], axis=1))
        assert halves[0].images.shape[1] == 4
        assert all(np.array_equal(batch.latents, half.latents) for half in halves)
        assert all(np.array_equal(batch.key, half.key) for half in halves)


@pytest.mark.parametrize(
    ("strategy", "changes", "sentence"),
    [
        ("mirrored", {"batch_size": 7, "count": 21}, "batch_size must be a multiple.*batch_size=7, devices=2"),
        ("mirrored", {"xla": "on"}, "--xla on is not made for several devices"),
        ("mirrored", {"precision": "mixed_float16"}, "mixed_float16 .*is not made for several devices"),
        (
            "mirrored",
            {"batch_norm": "on", "batch_norm_parts": 3, "batch_size": 12},
            "batch_norm_parts must be a multiple.*batch_norm_parts=3, devices=2",
        ),
        ("workers", {}, "needs to be told of the workers.*launch"),
    ],
)
def test_what_several_devices_cannot_share_is_refused(tiny, monkeypatch, strategy, changes, sentence):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(InputError, match=sentence):
        team_for(strategy, replace(tiny, **changes))


def test_one_device_has_no_team(tiny, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert team_for("one", tiny) is None and team_for("auto", tiny) is None


def test_an_update_by_several_devices_of_which_nobody_can_be_timed_needs_a_length(capsys, tmp_path):
    for options in (["--data", str(tmp_path)], ["--preset", "quick", "--minutes", "3"]):
        assert cli.main(["train", *options, "--strategy", "mirrored"]) == 2
        assert "say with --updates, or --epochs" in capsys.readouterr().err


# --- what they tell each other ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "megabytes"), [("quick", 2.4), ("report32", 10.0), ("paper64", 92.8)])
def test_what_is_shared_is_counted_from_the_settings(name, megabytes):
    assert traffic.traffic(preset(name)).gradients / 1e6 == pytest.approx(megabytes, abs=0.05)


@pytest.mark.parametrize(
    "changes", [{}, {"loss": "relativistic", "r1": 1.0, "penalty_every": 4}, {"batch_norm": "off"}]
)
def test_gradients_are_those_of_the_variables_that_each_update_trains(changes):
    joint = {"discriminator_updates": "joint"} if changes.get("loss") else {}
    experiment = replace(preset("quick"), width=0.0625, discriminator_steps=2, shared_latents=False, **joint, **changes)
    model = experiment.model
    sizes = [
        sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)
        for network in (build_generator(model), build_discriminator(model))
    ]
    amount = traffic.traffic(experiment)
    updates = 2 if experiment.training.discriminator_updates == "joint" else 4  # on true and on fake images
    assert amount.gradients == 4 * (sizes[0] + updates * sizes[1])
    assert (amount.statistics > 0) == (model.batch_norm == "on")


ASKED = {"conditions": "labels", "condition_names": ("even", "odd")}
"""An experiment that draws what it is asked for, for `replace`."""


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"join_batches": True},
        {"discriminator_updates": "separate", "shared_latents": False},
        {"generator_steps": 2, "shared_latents": False},
        {"recipe": "regularised"},
        {"recipe": "regularised", "generator_steps": 2, "shared_latents": False},
        {"recipe": "rotation"},
        {"simultaneous": True},
        {"simultaneous": True, "join_batches": True, "mode_seeking": 1.0},
        {"loss": "relativistic"},
        {"loss": "relativistic", "simultaneous": True},
        {"loss": "relativistic", "join_batches": True, "r1": 1.0, "r2": 1.0, "penalty_every": 2},
        {"discriminator_updates": "separate", "r1": 1.0, "penalty_every": 2},
        {"discriminator_updates": "separate", "discriminator_steps": 2, "shared_latents": False, "r1": 1.0, "r2": 1.0},
        {"statistics": "moving", "shared_latents": False, "loss": "relativistic", "mode_seeking": 1.0},
        {"loss": "gan_cls", "discriminator_updates": "separate", **ASKED},
        {"loss": "gan_int_cls", **ASKED},
        {"loss": "gan_int_cls", "simultaneous": True, "conditioning": "concatenation", **ASKED},
        {"batch_norm_parts": 2},
        {"batch_norm_parts": 2, "join_batches": True, "recipe": "regularised"},
        {"batch_norm_parts": 2, "recipe": "rotation"},
        {"batch_norm_parts": 4, "recipe": "rotation"},  # of turned images there are too few to be parted
    ],
    ids=str,
)
def test_statistics_are_those_of_all_that_goes_through_a_normalised_layer(changes, noise_images, monkeypatch, eagerly):
    """Counted in updates as they are written, one of each kind."""
    experiment = replace(preset("quick"), width=0.0625, batch_size=8, **changes)
    recipe, schedule = recipe_of(experiment), Schedule.of(experiment, len(noise_images))
    classes = Conditions(("even", "odd"), np.arange(len(noise_images)) % 2) if experiment.model.is_conditional else None
    step, through, passed, averaged = Update(build_players(experiment), experiment), models._passed, [], []

    def counting(layer, x, training, statistics, batches):
        normalised = isinstance(layer, keras.layers.BatchNormalization) and statistics == "batch"
        if normalised and models._parts(layer, x, batches) == 1:
            passed.append(layer.gamma.shape[0])
        return through(layer, x, training, statistics, batches)

    def mean(values):  # of parts; what one replica alone normalises by the batch does not come here
        averaged.append(values.shape[0])
        return values

    monkeypatch.setattr(models, "_passed", counting)
    monkeypatch.setattr(models, "replicas", SimpleNamespace(count=replicas.count, mean=mean))
    amount, often, updates = traffic.traffic(experiment), period(recipe), 0
    for batch in batches(noise_images, experiment, schedule, 1, often, classes):
        step(batch)
        updates += sum(len(phase.terms) for phase in due_at(recipe, batch.update).values())
    assert bool(averaged) == (experiment.model.batch_norm_parts > 1)
    assert amount.statistics == traffic.BYTES * (2 * 2 * sum(passed) + sum(averaged)) / often
    assert amount.waits == (updates + 3 * len(passed)) / often


@pytest.mark.parametrize("case", shared_updates.CASES)
def test_of_everything_that_several_devices_can_share_a_dry_run_says_how_much_that_is(case):
    experiment = replace(shared_updates.experiment_of(case), condition_names=())  # those of the images
    trial = Trial(0.1, 5, "a machine", 0.0, 2, 1, 1, 1)
    shared = estimate(experiment, trial=trial)["shared_bytes"]
    assert shared["gradients"] > 0 and (shared["statistics"] > 0) == (experiment.model.batch_norm == "on")


def test_a_ring_sends_twice_what_is_summed_but_for_one_part_of_it():
    assert traffic.sent_by_each(100.0, 2) == 100.0 and traffic.sent_by_each(100.0, 8) == 175.0
    amount, link = traffic.Traffic(1e6, 0.0, 10), traffic.Link("a", 4, 1e9, 1e-3)
    assert traffic.seconds_to_share(amount, link) == pytest.approx(0.0115)
    assert traffic.efficiency(4 * 0.0115, amount, link) == pytest.approx(0.5)
    assert traffic.efficiency(1.0, amount, link) == pytest.approx(0.25 / 0.2615)


# --- statistics of parts of the batch ---------------------------------------------------------------------------------


def test_each_part_of_a_batch_is_normalised_by_itself_and_averages_move_by_their_mean():
    model = replace(preset("quick"), batch_norm="on", batch_norm_parts=2, width=0.0625, batch_size=8).model
    layer = next(each for each in build_discriminator(model).layers if hasattr(each, "parts"))
    x = np.random.default_rng(3).normal(2.0, 3.0, (8, 4, 4, layer.gamma.shape[0])).astype(np.float32)
    halves = np.split(x, 2)
    layer.gamma.assign(np.full(layer.gamma.shape, 1.5))
    made = np.asarray(forward([layer], x, training=True, statistics="batch"))
    means, variances = (np.array([f(half, axis=(0, 1, 2)) for half in halves]) for f in (np.mean, np.var))
    for half, mean, variance, result in zip(halves, means, variances, np.split(made, 2)):
        np.testing.assert_allclose(result, 1.5 * (half - mean) / np.sqrt(variance + layer.epsilon), atol=1e-4)
    assert np.abs(made.mean(axis=(0, 1, 2))).max() < 1e-4
    np.testing.assert_allclose(layer.moving_mean, (1 - layer.momentum) * means.mean(0), rtol=1e-4)
    expected = layer.momentum + (1 - layer.momentum) * variances.mean(0)
    np.testing.assert_allclose(layer.moving_variance, expected, rtol=1e-4)
    alone = keras.layers.BatchNormalization(gamma_initializer=keras.initializers.Constant(1.5))
    alone.build(x.shape)
    for name in ("moving_mean", "moving_variance"):
        getattr(alone, name).assign(getattr(layer, name))
    assert np.array_equal(layer(x, training=False), alone(x, training=False))


def test_fixed_statistics_of_parts_are_those_of_as_many_batches_of_their_size():
    changes = {"batch_norm": "on", "width": 0.0625, "batch_size": 8}
    parted, whole = (
        build_discriminator(replace(preset("quick"), **changes, batch_norm_parts=parts).model) for parts in (2, 1)
    )
    x = np.random.default_rng(3).uniform(-1, 1, (8, 32, 32, 3)).astype(np.float32)
    x[:4] = 0.2 * x[:4] + 0.5  # halves that differ
    fix_statistics(parted, [x])
    fix_statistics(whole, np.split(x, 2))
    for one, other in zip(parted.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)
    fix_statistics(whole, [x])
    averages = [layer.moving_variance for layer in whole.layers if hasattr(layer, "moving_variance")]
    of_parts = [layer.moving_variance for layer in parted.layers if hasattr(layer, "moving_variance")]
    assert max(abs(np.asarray(a) / np.asarray(b) - 1).max() for a, b in zip(averages, of_parts)) > 0.05


def test_parts_must_divide_the_batch():
    with pytest.raises(InputError, match="batch_norm_parts must divide batch_size. Received: batch_size=8, .*=3"):
        replace(preset("quick"), batch_norm_parts=3, batch_size=8)


# --- who the workers are ----------------------------------------------------------------------------------------------


def test_workers_are_told_by_tf_config_and_the_chief_comes_first():
    told = {"cluster": {"worker": ["a:1", "b:2"], "chief": ["c:3"]}, "task": {"type": "worker", "index": 1}}
    found = find_cluster({"TF_CONFIG": json.dumps(told)})
    assert found == Cluster(("c:3", "a:1", "b:2"), 2)
    assert find_cluster({"TF_CONFIG": found.tf_config()}) == found
    assert find_cluster({}) is None and find_cluster({"TF_CONFIG": "{}"}) is None


def test_workers_are_told_by_slurm():
    step = {"SLURM_STEP_NUM_TASKS": "6", "SLURM_STEP_NODELIST": "gpu[09-10,3],login-1.x", "SLURM_PROCID": "4"}
    step |= {"SLURM_STEP_TASKS_PER_NODE": "2(x2),1(x2)"}
    found = find_cluster(step)
    port = cluster.SLURM_PORTS[0]
    hosts = ("gpu09", "gpu09", "gpu10", "gpu10", "gpu3", "login-1.x")
    assert found == Cluster(tuple(f"{host}:{port + i}" for host, i in zip(hosts, (0, 1, 0, 1, 0, 0))), 4)
    assert find_cluster(step | {"SLURM_STEP_NUM_TASKS": "1"}) is None
    assert find_cluster(step | {"SLURM_NODEID": "2"}) == found  # a host of its own for the fifth task


def test_steps_of_slurm_that_share_a_machine_listen_at_ports_of_their_own():
    step = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": "a", "SLURM_PROCID": "0"}
    step |= {"SLURM_STEP_TASKS_PER_NODE": "2"}
    numbers = [(job, of) for job in (1, 2, 1_234_567, 1_234_568) for of in (0, 1)]
    found = [find_cluster(step | {"SLURM_JOB_ID": str(job), "SLURM_STEP_ID": str(of)}).workers for job, of in numbers]
    ports = {int(worker.rpartition(":")[2]) for workers in found for worker in workers}
    assert len(ports) == 2 * len(numbers) and min(ports) >= 10_000 and max(ports) < 30_000


def test_tasks_that_slurm_deals_out_one_by_one_are_refused():
    step = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NODELIST": "a,b", "SLURM_STEP_TASKS_PER_NODE": "2(x2)"}
    with pytest.raises(InputError, match="--distribution=block.*task 1 on host 1 of a, b"):
        find_cluster(step | {"SLURM_PROCID": "1", "SLURM_NODEID": "1"})


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_ports_that_there_are_none_of_are_refused(port):
    told = {"cluster": {"worker": [f"a:{port}", "b:2"]}, "task": {"type": "worker", "index": 0}}
    with pytest.raises(InputError, match="ports from 1 to 65535"):
        find_cluster({"TF_CONFIG": json.dumps(told)})


def test_commands_that_are_printed_under_launch_can_be_typed_as_they_are(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv(cluster.LAUNCHED, "2")
    monkeypatch.setenv("TF_CONFIG", Cluster(("a:1", "b:2"), 0).tf_config())
    options = ["train", "--preset", "quick", "--updates", "50", "--data-dir", str(tmp_path), "--strategy", "workers"]
    assert cli.main([*options, "--dry-run", "--json"]) == 0
    typed = json.loads(capsys.readouterr().out)["command"]
    assert typed.startswith("./dcgan launch --workers 2 train ") and "--strategy" not in typed

    def lose(self):
        raise WorkerLost(tmp_path / "run", 2)

    monkeypatch.setattr(cli.train.Train, "run", lose)
    assert cli.main(options) == cli.TRY_AGAIN
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"Go on with: ./dcgan launch --workers 2 resume {tmp_path / 'run'} --data-dir {tmp_path}"


@pytest.mark.parametrize("changes", [("--batch-size", "7"), ("--xla", "on")])
def test_a_dry_run_refuses_what_several_devices_cannot_share_as_the_training_does(capsys, changes):
    options = ["train", "--preset", "quick", "--updates", "50", "--strategy", "mirrored", *changes]
    assert cli.main([*options, "--dry-run"]) == 2
    dry = capsys.readouterr()
    assert cli.main(options) == 2
    assert capsys.readouterr().err.splitlines()[-1] == dry.err.splitlines()[-1] and dry.out == ""


def test_what_fails_in_a_workers_own_computing_is_not_told_as_the_loss_of_another():
    team = SimpleNamespace(workers=2)
    own = tf.errors.AbortedError(None, None, "Operation received an exception: could not create a primitive")
    with pytest.raises(tf.errors.AbortedError, match="a primitive"), losses_in_words(team):
        raise own
    for of_another in ("failed to connect to all addresses", own.message):
        lost = tf.errors.AbortedError(None, None, f"Collective ops is aborted by: {of_another}")
        with pytest.raises(WorkerLost), losses_in_words(team):
            raise lost


@pytest.mark.slow
def test_a_worker_whose_port_is_taken_says_so(tmp_path):
    with socket.create_server(("0.0.0.0", 0)) as taken:
        (other,) = cluster.free_ports(1)
        told = Cluster((f"127.0.0.1:{taken.getsockname()[1]}", f"127.0.0.1:{other}"), 0)
        done = subprocess.run(
            command("utils", "train", "--preset", "quick", "--updates", "9", "--count", "64", "--strategy", "workers"),
            env=os.environ | {"TF_CONFIG": told.tf_config(), "DCGAN_RUNS_DIR": str(tmp_path)},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"Worker 0 waits for the others: 127.0.0.1:{other}" in done.stderr
    assert f"could not join the others from {told.workers[0]}" in done.stderr


@pytest.mark.parametrize("arguments", [["launch"], ["launch", "sample"], ["launch", "--workers", "0", "train"]])
def test_launch_says_what_it_needs(capsys, arguments):
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err.startswith("dcgan: ")


# --- real workers -----------------------------------------------------------------------------------------------------

UPDATES, SECONDS = 40, 60
"""Updates of the run below; how long the others may take to notice that a worker is lost. TensorFlow's limit is about
ten seconds on a quiet machine."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "pictures.npy"
    np.save(path, np.random.default_rng(5).integers(0, 256, (24, 32, 32, 3), np.uint8))
    return path


def workers_of(launcher: subprocess.Popen) -> list[int]:
    """Processes that a launcher has started, in their order."""
    with open(f"/proc/{launcher.pid}/task/{launcher.pid}/children", encoding="ascii") as file:
        return sorted(map(int, file.read().split()))


@pytest.mark.slow
def test_a_run_that_loses_a_worker_ends_soon_and_goes_on_with_another_number_of_them(tiny, pictures, tmp_path, undrawn):
    settings = {"name": str(pictures), "updates": UPDATES, "summary_updates": UPDATES, "watch_updates": 0}
    experiment = replace(tiny, epochs=1, count=None, **settings)
    options = ["--preset", "report32", "--width", "0.0625", "--batch-size", "8", "--summary-samples", "16"]
    options += ["--data", str(pictures), "--updates", str(UPDATES), "--summary-updates", str(UPDATES)]
    options += ["--watch-updates", "0", "--checkpoint-seconds", "0", "--runs-dir", str(tmp_path / "two")]
    places = {"data_dir": tmp_path / "data"}
    launcher = subprocess.Popen(
        command("utils", "launch", "--workers", "2", "train", *options, "--data-dir", str(places["data_dir"])),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=PROJECT,
    )  # fmt: skip
    until = time.monotonic() + 300
    while not any(len(file.read_bytes().splitlines()) > 2 for file in (tmp_path / "two").glob("*/*/steps.jsonl")):
        assert launcher.poll() is None and time.monotonic() < until, launcher.communicate()[0]
        time.sleep(0.005)
    os.kill(workers_of(launcher)[1], signal.SIGKILL)
    output, _ = launcher.communicate(timeout=SECONDS)
    assert launcher.returncode == cli.TRY_AGAIN and "Traceback" not in output, output
    run = Run.find("last", tmp_path / "two")
    assert run.state.replicas == [{"update": 0, "workers": 2, "devices": 1}]
    assert run.state.status == "stopped" and "One of the 2 workers has ended" in run.state.why
    assert 2 < run.state.update < UPDATES
    resume(run, progress=False, **places)
    assert run.state.replicas[1] == {"update": run.state.replicas[1]["update"], "workers": 1, "devices": 1}
    assert f"From update {run.state.replicas[1]['update'] + 1} on 1 x 1 devices" in (run.folder / "log.txt").read_text()
    whole = train(experiment, runs_dir=tmp_path / "one", progress=False, **places)
    for name, values in whole.steps().items():
        np.testing.assert_allclose(run.steps()[name], values, rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.slow
def test_a_run_whose_network_is_cut_ends_soon_and_goes_on_to_the_bits_of_one_that_was_left_alone(tmp_path):
    """Two network namespaces with a cable between, as two machines; not tried where the system does not permit them."""
    from benchmarks.faults import try_fault

    tried = try_fault("network cut for good", 1, tmp_path, {}, seed=0)
    if tried.notes and tried.notes[0].startswith("left out"):
        pytest.skip(tried.notes[0])
    assert (tried.tries, tried.survived, tried.differing, tried.notes) == (1, 1, 0, [])
    assert tried.lost <= 12 and 0 < tried.noticed < SECONDS
