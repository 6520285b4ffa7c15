"""A training by two workers that Ray Train starts in place of `./dcgan launch`: the same strategy, told by TF_CONFIG.

    V/bin/python -m benchmarks.with_ray --updates 20      # V: an environment with Ray beside the project's packages

Ray is no requirement of the project; how to make V stands in benchmarks/README.md. Ray's TensorflowTrainer starts a
process for each worker, wherever its cluster has room, finds out their addresses, puts them into TF_CONFIG of each and
calls a function there. That function is a training of this project, which reads TF_CONFIG itself (`utils.cluster`).
Nothing of Ray's data sets, checkpoints or reports is used: a run folder has all that is needed to go on, with any
number of workers, and with or without Ray.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.sentences import above_zero, at_least_one, in_a_sentence

WORKERS = 2


def work(told: dict) -> None:
    """What each worker does; it runs in a process of its own.

    Args:
        told: plain values, the same for all: "experiment" as `config.to_dict` gives it, "runs_dir" and "data_dir".
    """
    from utils import config, training

    experiment = config.from_dict(told["experiment"])
    places = {"runs_dir": told["runs_dir"], "data_dir": told["data_dir"]}
    training.train(experiment, strategy="workers", progress=False, **places)


def train(experiment, runs_dir: str | Path, data_dir: str | Path | None = None, workers: int = WORKERS) -> None:
    """Train an experiment by workers that Ray starts.

    Args:
        experiment: what to train.
        runs_dir, data_dir: as for `utils.training.train`; folders that all workers see.
        workers: how many share each batch.
    """
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.tensorflow import TensorflowTrainer

    from utils import config
    from utils.runs import PROJECT

    runs_dir, data_dir = Path(runs_dir).resolve(), data_dir and Path(data_dir).resolve()
    if not ray.is_initialized():
        ray.init(runtime_env={"env_vars": {"PYTHONPATH": str(PROJECT)}}, include_dashboard=False)
    told = {
        "experiment": config.to_dict(experiment), "runs_dir": str(runs_dir), "data_dir": data_dir and str(data_dir),
    }  # fmt: skip
    TensorflowTrainer(
        work,
        train_loop_config=told,
        scaling_config=ScalingConfig(num_workers=workers),
        run_config=RunConfig(storage_path=str(runs_dir / "ray")),
    ).fit()


@in_a_sentence
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--updates", type=at_least_one, default=500)
    parser.add_argument("--data", help="images, if not the preset's")
    parser.add_argument("--width", type=above_zero, help="factor on the numbers of channels, if not the preset's")
    parser.add_argument("--workers", type=at_least_one, default=WORKERS)
    parser.add_argument("--runs-dir", default="saved_models")
    parser.add_argument("--data-dir")
    options = parser.parse_args()
    from utils.config import replace
    from utils.data.catalogue import find_source, place_of
    from utils.presets import preset

    experiment = replace(preset(options.preset), updates=options.updates)
    if options.width:
        experiment = replace(experiment, width=options.width)
    if options.data:
        # What is not there is refused before Ray starts, whose workers' errors are pages long.
        find_source(options.data, experiment.model.image_size, data_dir=options.data_dir)
        experiment = replace(experiment, name=place_of(options.data), count=None)
    train(experiment, options.runs_dir, options.data_dir, options.workers)


if __name__ == "__main__":
    sys.exit(main())
