"""What is decided by the GPUs that there are, on a machine that pretends to have some: no GPU computes here."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from utils import choice, cli, runtime
from utils.cli.train import Resume, Train
from utils.cluster import Cluster
from utils.config import replace
from utils.data import Dataset
from utils.errors import InputError
from utils.runs import Run, State
from utils.runtime import Device
from utils.training import loop, team
from utils.training.players import build_players
from utils.training.step import Update, use_xla
from utils.training.team import team_for

NAME = "NVIDIA A100-SXM4-40GB"
ALONE = Cluster(("a:1",), 0).tf_config()
TWO_WORKERS = Cluster(("a:1", "b:2"), 1).tf_config()


@pytest.fixture
def gpus(monkeypatch):
    """A function that lets TensorFlow find so many GPUs; it returns what is asked of them, as it comes."""
    for variable in ("TF_CONFIG", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(variable, raising=False)

    def found(count: int) -> SimpleNamespace:
        asked = SimpleNamespace(grown=[], strategies=[], numbers=[])
        there = [tf.config.PhysicalDevice(f"/physical_device:GPU:{number}", "GPU") for number in range(count)]
        cpus = tf.config.list_physical_devices("CPU")

        def list_physical_devices(kind=None):
            return {"GPU": there, "CPU": cpus, None: cpus + there}[kind]

        def strategy(*devices):
            asked.strategies.append(devices)
            places = devices or ("GPU:0",) * max(1, count)

            def distribute(value_of):
                contexts = [SimpleNamespace(replica_id_in_sync_group=number) for number in range(len(places))]
                asked.numbers.append([value_of(context) for context in contexts])

            return SimpleNamespace(
                extended=SimpleNamespace(worker_devices=places),
                experimental_distribute_values_from_function=distribute,
            )

        details = {gpu.name: {"device_name": f"{NAME} {number}"} for number, gpu in enumerate(there)}
        monkeypatch.setattr(tf.config, "list_physical_devices", list_physical_devices)
        monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details[gpu.name])
        monkeypatch.setattr(
            tf.config.experimental, "set_memory_growth", lambda gpu, grows: asked.grown.append((gpu.name, grows))
        )
        monkeypatch.setattr(team, "_strategy", strategy)
        return asked

    return found


# --- the device -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2])
def test_the_device_is_the_first_gpu_by_its_name_however_many_there_are(gpus, count):
    gpus(count)
    assert runtime.device() == Device("GPU", f"{NAME} 0", count)
    assert str(runtime.device()) == f"{NAME} 0"  # the others compute where a team says so


def test_without_a_gpu_the_device_is_the_processor(gpus):
    gpus(0)
    assert runtime.device().kind == "CPU" and runtime.device().name == runtime.cpu_name()


def test_every_gpu_takes_memory_as_it_needs_it_and_one_in_use_is_left_as_it_is(gpus, monkeypatch):
    asked = gpus(2)
    assert runtime.start() == Device("GPU", f"{NAME} 0", 2)
    assert asked.grown == [("/physical_device:GPU:0", True), ("/physical_device:GPU:1", True)]

    def in_use(gpu, grows):
        raise RuntimeError("Physical devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", in_use)
    assert runtime.start().count == 2


def test_bfloat16_is_left_to_a_gpu_whatever_the_processor_has(gpus):
    old = "processor\t: 0\nflags\t\t: fpu avx2 avx512f\n"
    gpus(1)
    runtime.check_precision("mixed_bfloat16", cpu=old)
    gpus(0)
    with pytest.raises(InputError, match="--force-precision"):
        runtime.check_precision("mixed_bfloat16", cpu=old)


# --- XLA --------------------------------------------------------------------------------------------------------------

COMPILED = [
    ("auto", "CPU", False),
    ("auto", "GPU", True),
    ("on", "CPU", True),
    ("on", "GPU", True),
    ("off", "CPU", False),
    ("off", "GPU", False),
]


@pytest.mark.parametrize(("setting", "kind", "compiled"), COMPILED)
def test_xla_compiles_on_a_gpu_unless_it_is_off_and_on_a_processor_only_where_it_is_on(
    monkeypatch, setting, kind, compiled
):
    monkeypatch.setattr(runtime, "device", lambda: Device(kind, "some name", 1))
    assert use_xla(setting) is compiled


def test_the_update_is_compiled_as_that_says(tiny, monkeypatch):
    """Nothing is traced: what TensorFlow is asked for is enough."""
    players, asked = build_players(tiny), []
    monkeypatch.setattr(tf, "function", lambda of, **options: asked.append(options["jit_compile"]) or of)
    for setting, kind, _ in COMPILED:
        monkeypatch.setattr(runtime, "device", lambda: Device(kind, "some name", 1))
        Update(players, replace(tiny, xla=setting))._compile({})
    assert asked == [compiled for _, _, compiled in COMPILED]


# --- several GPUs -----------------------------------------------------------------------------------------------------


def test_all_gpus_are_used_unless_the_command_says_otherwise():
    assert Train.default([]).strategy == "auto"
    assert Resume.__dataclass_fields__["strategy"].default == "auto"


@pytest.mark.parametrize(
    ("strategy", "count", "devices"),
    [
        ("auto", 0, None),
        ("auto", 1, None),
        ("auto", 2, ("GPU:0", "GPU:1")),
        ("auto", 4, ("GPU:0", "GPU:1", "GPU:2", "GPU:3")),
        ("mirrored", 2, ("GPU:0", "GPU:1")),
        ("mirrored", 0, ("CPU:0", "CPU:1")),  # for trying
        ("one", 2, None),
        ("workers", 0, None),  # one alone, as all that follow
        ("workers", 1, None),
        ("workers", 2, ("GPU:0", "GPU:1")),
    ],
)
def test_who_computes_is_decided_by_the_strategy_and_the_gpus_there_are(
    tiny, gpus, monkeypatch, strategy, count, devices
):
    asked = gpus(count)
    if strategy == "workers":
        monkeypatch.setenv("TF_CONFIG", ALONE)
    found = team_for(strategy, tiny)
    if devices is None:
        assert found is None and asked.strategies == []
        return
    assert asked.strategies == [devices] and asked.numbers == [[*range(len(devices))]]
    assert (found.workers, found.index, found.devices, found.is_chief) == (1, 0, len(devices), True)
    assert str(found) == f"{len(devices)} devices"


def test_mirrored_on_one_gpu_is_refused_with_the_mend(tiny, gpus):
    asked = gpus(1)
    with pytest.raises(InputError, match=r"^--strategy mirrored needs several GPUs, and this machine has one: leave"):
        team_for("mirrored", tiny)
    assert asked.strategies == []


ONLY_ONE = [
    (3, {"batch_size": 7}, 1, "1 of 3 GPUs computes: batch_size must be a multiple.*batch_size=7, devices=3"),
    (2, {"xla": "on"}, 1, "1 of 2 GPUs computes: --xla on is not made for several devices; leave it out, or use"),
    (2, {"precision": "mixed_float16"}, 1, "1 of 2 GPUs computes: --precision mixed_float16 .*or use --strategy one"),
]
SOME = [
    (3, {}, 2, "2 of 3 GPUs compute: batch_size must be a multiple.*batch_size=8, devices=3"),
    (7, {}, 4, "4 of 7 GPUs compute: .*batch_size=8, devices=7"),
    (4, {"batch_norm": "on", "batch_norm_parts": 2}, 2, "2 of 4 GPUs compute: batch_norm_parts must be a multiple"),
]


@pytest.mark.parametrize(("count", "changes", "used", "sentence"), SOME + ONLY_ONE)
def test_of_gpus_that_nobody_asked_for_as_many_are_used_as_can_share_the_batch(
    tiny, gpus, monkeypatch, count, changes, used, sentence
):
    experiment, told = replace(tiny, **changes), []
    asked = gpus(count)
    found = team_for("auto", experiment, told.append)
    assert (found.devices if found else 1) == used
    assert asked.strategies == [tuple(f"GPU:{number}" for number in range(used))][: used > 1]
    assert re.match(sentence, *told)
    monkeypatch.setenv("TF_CONFIG", ALONE)
    for strategy in ("mirrored", "workers"):  # who asks for all is told that it cannot be
        with pytest.raises(InputError, match=sentence.split(": ")[1]):
            team_for(strategy, experiment)
    assert team_for("one", experiment, told.append) is None and len(told) == 1


@pytest.mark.parametrize(("count", "batch_size", "fits"), [(0, 6, True), (1, 6, True), (2, 6, False), (2, 8, True)])
def test_workers_share_a_batch_among_all_gpus_of_all_of_them(tiny, gpus, monkeypatch, count, batch_size, fits):
    experiment = replace(tiny, batch_size=batch_size)
    asked = gpus(count)
    told = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(told))
    if not fits:
        with pytest.raises(InputError, match="batch_size must be a multiple.*batch_size=6, devices=4"):
            team_for("auto", experiment)
        return
    found = team_for("auto", experiment)
    assert asked.strategies == [()]  # the workers of TF_CONFIG
    assert (found.workers, found.index, found.devices, found.is_chief) == (2, 1, max(1, count), False)
    assert str(found) == f"2 workers with {max(1, count)} device{'s' * (count > 1)} each"


ONE, TWO = ({"update": 0, "workers": 1, "devices": devices} for devices in (1, 2))
FOUR, WORKERS = {"update": 0, "workers": 1, "devices": 4}, {"update": 0, "workers": 2, "devices": 1}
AS_BEFORE = "{} of {} GPUs compute{}: as before, for the same bits; --strategy mirrored takes all."


@pytest.mark.parametrize(
    ("replicas", "count", "strategy", "devices", "told"),
    [
        ([], 2, "auto", None, AS_BEFORE.format(1, 2, "s")),  # one device, of which nothing is written down
        ([], 1, "auto", None, None),
        ([], 2, "mirrored", ("GPU:0", "GPU:1"), None),
        ([TWO], 2, "auto", ("GPU:0", "GPU:1"), None),
        ([TWO], 4, "auto", ("GPU:0", "GPU:1"), AS_BEFORE.format(2, 4, "")),
        ([TWO], 4, "one", None, None),
        ([TWO], 1, "auto", None, None),  # the other one is gone
        ([TWO], 0, "auto", ("CPU:0", "CPU:1"), None),
        ([FOUR], 2, "auto", ("GPU:0", "GPU:1"), None),
        ([FOUR], 0, "auto", None, None),
        ([TWO, ONE | {"update": 9}], 2, "auto", None, AS_BEFORE.format(1, 2, "s")),
        ([WORKERS], 2, "auto", ("GPU:0", "GPU:1"), None),  # they are not here
    ],
)
def test_a_run_goes_on_with_as_many_devices_as_before_unless_the_command_says_otherwise(
    tiny, gpus, noise_dataset, tmp_path, monkeypatch, replicas, count, strategy, devices, told
):
    gone_on = []
    monkeypatch.setattr(loop, "_train", lambda run, *others: others[-1]() or gone_on.append(others[-2]) or run)
    asked = gpus(count)
    run = Run.create(tiny, {"images": len(noise_dataset), "fingerprint": noise_dataset.fingerprint}, tmp_path)
    run.save_state(State("stopped", replicas=replicas))
    loop.resume(run, dataset=noise_dataset, progress=False, strategy=strategy)
    assert asked.strategies == ([devices] if devices else [])
    assert [each and each.devices for each in gone_on] == [devices and len(devices)]
    assert [line for line in run.logged() if "GPUs compute" in line] == ([told] if told else [])


@pytest.mark.parametrize("before", [None, 1, 2])
def test_workers_that_are_there_compute_whoever_did_before(tiny, gpus, monkeypatch, before):
    asked = gpus(0)
    told = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(told))
    assert team_for("auto", tiny, before=before).workers == 2 and asked.strategies == [()]


@pytest.mark.parametrize("options", ["--strategy workers", "", "--strategy mirrored"])
@pytest.mark.parametrize("changes", [{"on_collapse": "rollback"}, {"conditions": "text"}, {"xla": "on"}], ids=str)
def test_a_run_that_several_cannot_go_on_with_is_refused_with_the_command_that_goes_on_with_it(
    tiny, gpus, noise_dataset, tmp_path, monkeypatch, capsys, changes, options
):
    """The command is typed as it is said, where workers are still told of."""
    gone_on = []
    monkeypatch.setattr(loop, "_train", lambda run, *others: gone_on.append(others[-2]) or run)
    monkeypatch.setattr(loop, "_encoder", lambda *of: None)
    monkeypatch.setattr(loop, "load_for", lambda *of: noise_dataset)
    monkeypatch.setattr("utils.cli.train._say_finished", lambda *of: None)
    asked = gpus(2)
    monkeypatch.setenv("TF_CONFIG", TWO_WORKERS)
    run = Run.create(
        replace(tiny, **changes), {"images": len(noise_dataset), "fingerprint": noise_dataset.fingerprint}, tmp_path
    )
    if options == "--strategy mirrored" and "xla" not in changes:  # several devices of one machine can
        assert cli.main(["resume", str(run.folder), *options.split()]) == 0 and gone_on[0].devices == 2
        return
    assert cli.main(["resume", str(run.folder), *options.split()]) == 2 and gone_on == asked.strategies == []
    said = capsys.readouterr().err
    typed = re.fullmatch(r"dcgan: This run has .*: go on with `\./dcgan (resume RUN .*)`, without launch\.\n", said)
    assert cli.main(typed[1].replace("RUN", str(run.folder)).split()) == 0
    assert gone_on == [None] and asked.strategies == []


@pytest.mark.parametrize("options", ["--updates 9 --xla on", "--minutes 1"])
def test_what_several_cannot_train_is_refused_with_an_option_that_trains_it(
    gpus, noise_dataset, tmp_path, monkeypatch, capsys, options
):
    """It is typed as it is said: `launch`, which says itself who computes the updates, would not take it."""
    given = []
    monkeypatch.setattr("utils.training.train", lambda experiment, **others: given.append(others["strategy"]))
    monkeypatch.setattr("utils.data.load_for", lambda *of: noise_dataset)
    monkeypatch.setattr(
        "utils.training.estimate.try_updates", lambda *of: choice.Trial(0.1, 5, "a machine", 0.0, 2, 1, 1, 1)
    )
    asked = gpus(0)
    monkeypatch.setenv("TF_CONFIG", TWO_WORKERS)
    typed = ["train", "--preset", "quick", *options.split(), "--runs-dir", str(tmp_path)]
    assert cli.main([*typed, "--strategy", "workers"]) == 2 and asked.strategies == []  # as `launch` starts it
    said = capsys.readouterr().err
    advice = re.search(r", or use (--strategy one), without launch\.\n$", said)[1].split()
    assert cli.main([*typed, *advice]) == 0 and given == ["one"]
    assert cli.main(["launch", *typed, *advice]) == 2 and "leave --strategy out" in capsys.readouterr().err


@pytest.mark.parametrize("conditions", ["labels", "attributes"])
def test_replicas_of_a_conditional_training_are_built_with_the_names_that_its_images_bring(
    tiny, noise_images, tmp_path, monkeypatch, undrawn, conditions
):
    strategy = SimpleNamespace(
        extended=SimpleNamespace(worker_devices=("CPU:0", "CPU:0")),
        experimental_distribute_values_from_function=lambda value_of: None,
    )
    states, trainings = [], []
    monkeypatch.setattr(team, "_strategy", lambda *devices: strategy)
    monkeypatch.setattr(loop._Training, "_summarize", lambda training, number: states.append(training.run.state))
    monkeypatch.setattr(loop._Training, "go", lambda training, *of: trainings.append(training))
    labels = np.arange(len(noise_images)) % 3
    known = {"labels": labels, "label_names": ("ant", "bee", "cat")}
    known |= {"attributes": np.stack([labels > 0, labels > 1], 1).astype(np.uint8), "attribute_names": ("a", "b")}
    dataset = Dataset(name="noise", title="noise", images=noise_images, fingerprint="0", **known)
    experiment = replace(tiny, conditions=conditions)
    loop.train(experiment, dataset=dataset, runs_dir=tmp_path, progress=False, strategy="mirrored")
    first, other = trainings[0].team._sets
    assert first is trainings[0].players and first.generator is not other.generator
    ours, theirs = first.variables(), other.variables()
    assert ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert other.generator.inputs[1].shape[1] == {"labels": 3, "attributes": 2}[conditions]
    assert [state.replicas for state in states] == [[TWO]]  # written down before anything else is


@pytest.mark.parametrize(
    ("options", "count", "workers", "devices"),
    [
        ("--strategy mirrored", 0, 1, ("CPU:0", "CPU:1")),
        ("--strategy mirrored", 2, 1, ("GPU:0", "GPU:1")),
        ("--strategy workers", 0, 2, ()),
        ("", 0, 2, ()),
    ],
)
def test_devices_are_set_up_before_images_are_read(
    gpus, noise_dataset, tmp_path, monkeypatch, options, count, workers, devices
):
    """To find those that repeat others may take an autoencoder, after which it is too late."""
    asked, done = gpus(count), []
    if workers > 1:
        told = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 0}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(told))
    monkeypatch.setattr("utils.data.load_for", lambda *of: done.extend(asked.strategies) or noise_dataset)
    monkeypatch.setattr("utils.training.train", lambda experiment, **others: None)
    typed = ["train", "--preset", "quick", "--updates", "9", "--dedup", "autoencoder", "--runs-dir", str(tmp_path)]
    assert cli.main([*typed, *options.split()]) == 0
    assert done == [devices]


def test_a_worker_that_is_not_the_chief_says_nothing_at_the_end_of_what_it_goes_on_with(
    tiny, tmp_path, monkeypatch, capsys
):
    run = Run.create(tiny, {}, tmp_path)
    monkeypatch.setattr("utils.training.resume", lambda run, **others: None)
    assert cli.main(["resume", str(run.folder), "--epochs", "4"]) == 0
    assert capsys.readouterr() == ("", "")


def test_gpus_are_taken_as_they_are_and_the_processor_is_divided(monkeypatch):
    made, divided = [], []
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda devices: made.append(devices))
    monkeypatch.setattr(
        tf.config, "set_logical_device_configuration", lambda of, parts: divided.append((of.device_type, len(parts)))
    )
    make = team._strategy.__wrapped__  # the one that the process has stays
    make("GPU:0", "GPU:1")
    assert (made, divided) == ([("GPU:0", "GPU:1")], [])
    make("CPU:0", "CPU:1")
    assert (made[1:], divided) == ([("CPU:0", "CPU:1")], [("CPU", 2)])


def test_devices_that_can_no_longer_be_set_up_are_told_of_in_a_sentence(monkeypatch):
    def too_late(devices):
        raise RuntimeError("Virtual devices cannot be modified")

    monkeypatch.setattr(tf.distribute, "MirroredStrategy", too_late)
    with pytest.raises(InputError, match="before TensorFlow computes anything in this process: Virtual devices cannot"):
        team._strategy.__wrapped__("GPU:0", "GPU:1")


@pytest.mark.parametrize(
    ("options", "count", "strategy", "told"),
    [
        ("--minutes 1", 2, "one", True),
        ("--minutes 1", 4, "one", True),
        ("--minutes 1", 1, "one", False),
        ("--minutes 1", 0, "one", False),
        ("--minutes 1 --strategy one", 2, "one", False),
        ("--updates 9", 2, "auto", False),
        ("--epochs 9", 2, "auto", False),
        ("--updates 9 --strategy mirrored", 2, "mirrored", False),
    ],
)
def test_minutes_that_were_timed_on_one_gpu_are_trained_on_one(
    gpus, noise_dataset, tmp_path, monkeypatch, capsys, options, count, strategy, told
):
    given = []
    monkeypatch.setattr("utils.training.train", lambda experiment, **others: given.append(others))
    monkeypatch.setattr("utils.data.load_for", lambda *of: noise_dataset)
    monkeypatch.setattr(
        "utils.training.estimate.try_updates", lambda *of: choice.Trial(0.1, 5, "a machine", 0.0, 2, 1, 1, 1)
    )
    gpus(count)
    assert cli.main(["train", "--preset", "quick", *options.split(), "--runs-dir", str(tmp_path)]) == 0
    assert [others["strategy"] for others in given] == [strategy]
    line = f"Device    one of {count} GPUs, as updates were timed on one; with --updates all can train"
    assert capsys.readouterr().out.splitlines().count(line) == [*given[0]["why"]].count(line) == told


@pytest.mark.parametrize(("keep", "is_chief"), [("best", True), ("best", False), ("last", True)])
def test_what_tells_the_best_networks_is_made_once_devices_are_set_up_and_by_the_chief_alone(
    tiny, noise_dataset, tmp_path, monkeypatch, keep, is_chief
):
    """It computes, after which devices can no longer be set up."""
    done, trained, experiment = [], [], replace(tiny, keep=keep)

    def team_for(*of):
        done.append("devices")
        return SimpleNamespace(is_chief=is_chief)

    def distance(asked):
        done.append(f"distance for {asked.data.name}")
        return "measure"

    monkeypatch.setattr(loop, "team_for", team_for)
    monkeypatch.setattr(loop, "follow", lambda *of: None)
    monkeypatch.setattr(loop, "_train", lambda run, dataset, progress, seconds, measure, *of: trained.append(measure))
    monkeypatch.setattr(runtime, "commit", lambda: None)
    run = Run.create(experiment, {"images": len(noise_dataset), "fingerprint": noise_dataset.fingerprint}, tmp_path)
    how = {"dataset": noise_dataset, "progress": False, "strategy": "mirrored", "distance": distance}
    expected = ["devices", "distance for faces"] if is_chief and keep == "best" else ["devices"]
    for begin in (lambda: loop.train(experiment, runs_dir=tmp_path, **how), lambda: loop.resume(run, **how)):
        begin()
        assert done == expected
        del done[:]
    assert trained == [{"best": "measure", "last": None}[keep]] * 2 * is_chief


# --- what a training says of them -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "count", "device"),
    [
        ("auto", 1, f"{NAME} 0"),
        ("one", 1, f"{NAME} 0"),
        ("one", 2, f"{NAME} 0"),
        ("auto", 2, f"{NAME} 0, 2 devices"),
        ("auto", 3, f"{NAME} 0, 2 devices"),
    ],
)
def test_a_training_says_on_which_gpu_it_runs_and_keeps_it_with_the_run(
    tiny, gpus, noise_dataset, tmp_path, monkeypatch, capsys, strategy, count, device
):
    monkeypatch.setattr(loop, "_train", lambda run, *others: run)  # all that comes before the first update
    monkeypatch.setattr(runtime, "commit", lambda: None)
    gpus(count)
    run = loop.train(tiny, dataset=noise_dataset, runs_dir=tmp_path, strategy=strategy)
    assert f"Started on {device}: report32, 24 images of noise." in (run.folder / "log.txt").read_text()
    out = capsys.readouterr().out
    assert f"6 updates on {device} (how long they take" in out
    left_out = "2 of 3 GPUs compute: "
    for said in (out, "\n".join(run.logged())):
        assert len(re.findall(f"^{left_out}", said, re.MULTILINE)) == (count == 3)
    assert run.environment["device"] == {"kind": "GPU", "name": f"{NAME} 0", "count": count}
