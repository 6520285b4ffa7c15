"""What is wrong with this training? Small broken trainings for a student to diagnose (notebook 16).

A bug is planted as what it is in a program: another setting, other terms of the loss, another recipe, other images.
The arms are called by letters and say nothing of what is wrong with them: `BUGS` does, and so do the notebook's
solutions. To add a bug: one entry of `BUGS`.
"""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from utils.config import replace
from utils.registries import LOSSES, RECIPES
from utils.runs import Run
from utils.studies.figures import Panel, plot_arms
from utils.studies.study import Arm, Study, at_scale, base_for, finish, run_key, runs_begun, study_name

SIZES = {"report": (32, 20, 10, 10), "quick": (32, 20, 5, 10), "smallest": (8, 2, 2, 1)}
"""Images per update, updates per epoch, epochs, updates between measurements, at each scale."""
HEALTHY = "healthy"
FEW = 4
"""Images that a loader gives which never moves on."""
PANELS = (
    Panel("generator's loss", "curves", ("loss_generator",), log=True),
    Panel("discriminator's loss: true (dashed: fake)", "curves", ("loss_true", "loss_fake"), log=True),
    Panel("its scores: true (dashed: fake)", "curves", ("score_true", "score_fake"), -0.03, 1.03),
    Panel("gradient norm at the generator", "curves", ("gradient_norm",), log=True),
    Panel("gap between the two updates", "watch", ("gap",), -0.03, 1.03),
    Panel("diversity of the samples", "watch", ("diversity",), 0),
)
"""What a student looks at."""


# --- what is planted --------------------------------------------------------------------------------------------------


def _loss(**terms: Callable):
    """A loss whose terms are the usual ones, but for some."""
    from utils.training import losses
    from utils.training.recipes import Term

    usual = {"true": losses.true, "fake": losses.fake, "generator": losses.non_saturating}
    true, fake, generator = (Term(f"loss_{name}", term) for name, term in (usual | terms).items())
    return losses.Loss((true, fake), (generator,))


def _cross_entropy(logits, label: float):
    import tensorflow as tf

    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.fill(tf.shape(logits), label), logits))


def _swapped():
    """The discriminator learns that true images are fake and fake ones true; the generator still wants to be true."""
    return _loss(
        true=lambda view: _cross_entropy(view.true_logits, 0.0), fake=lambda view: _cross_entropy(view.fake_logits, 1.0)
    )


def _unscaled():
    """True images reach the discriminator as they lie on the disk, from 0 to 255, fakes from -1 to 1."""

    def true(view):
        view.true = 127.5 * (view.images + 1.0)  # in place of what the view would compute
        return _cross_entropy(view.true_logits, 1.0)

    return _loss(true=true)


def _reused():
    """Latents are drawn once, before the loop: every update draws the same fakes."""
    import tensorflow as tf

    def logits(view):
        latents = tf.random.stateless_normal(tf.shape(view.latents), (0, 1), dtype=view.latents.dtype)
        return view.judge(view.draw(latents))

    def fake(view):
        _ = view.fake_logits  # of new latents, for the records
        return _cross_entropy(logits(view), 0.0)

    return _loss(fake=fake, generator=lambda view: _cross_entropy(logits(view), 1.0))


def _sigmoid_twice():
    """The discriminator ends in a sigmoid, and its score is taken for a logit: softplus of a sigmoid."""
    import tensorflow as tf

    return _loss(
        true=lambda view: _cross_entropy(tf.sigmoid(view.true_logits), 1.0),
        fake=lambda view: _cross_entropy(tf.sigmoid(view.fake_logits), 0.0),
        generator=lambda view: _cross_entropy(tf.sigmoid(view.fake_logits), 1.0),
    )


def _frozen(experiment):
    """`trainable` was set to False before the discriminator was compiled: its updates change nothing.

    What it would have descended is recorded all the same, as Keras reports a loss; it weighs nothing.
    """
    from utils.training.recipes import dcgan

    *of_discriminator, generator = dcgan(experiment)
    still = [_weightless(phase) for phase in of_discriminator]
    return (*still, generator)


def _weightless(phase):
    def nothing(term):
        return dataclasses.replace(term, value=lambda view: 0.0 * term.value(view), recorded=term.value)

    return dataclasses.replace(phase, terms={player: tuple(map(nothing, of)) for player, of in phase.terms.items()})


def _nobody_frozen(experiment):
    """The generator's update changes the discriminator, too, which learns there that fakes are true."""
    from utils.training.recipes import dcgan

    *of_discriminator, generator = dcgan(experiment)
    both = dict.fromkeys(("generator", "discriminator"), generator.terms["generator"])
    return (*of_discriminator, dataclasses.replace(generator, terms=both))


# --- how it shows -----------------------------------------------------------------------------------------------------


def course(run: dict) -> dict[str, np.ndarray]:
    """What a kept run's signature is read off: curves, and columns of the watch, each over the course of the run."""
    found = {name: np.array(values, float) for name, values in run["curves"].items()}
    rows = [row for row in run["watch"] if "moved" in row]
    return found | {f"watched {name}": np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())}


def _late(values: np.ndarray) -> float:
    """The median of the last half."""
    return float(np.median(values[len(values) // 2 :]))


@dataclass(frozen=True)
class Bug:
    """One planted bug.

    Attributes:
        what: the bug, in a sentence.
        where: where it is in a program.
        tells: how it shows, in a sentence.
        shows: the same of a kept run: function of what `course` gives and of the course of the healthy training.
        cure: what to change.
        changes: settings that plant it.
        loss, recipe: make the loss, or are the recipe, that plant it.
        images: changes the images that plant it.
    """

    what: str
    where: str
    tells: str
    shows: Callable[[dict, dict], bool]
    cure: str
    changes: dict = field(default_factory=dict)
    loss: Callable | None = None
    recipe: Callable | None = None
    images: Callable[[np.ndarray], np.ndarray] | None = None


BUGS: dict[str, Bug] = {
    "A": Bug(
        "Latents are drawn once and used in every update.",
        "`latents = make_latent_samples(…)` stands before the loop.",
        "losses and scores contradict each other: on the fakes of the update the discriminator's loss is what guessing "
        "costs, 0.7, yet it scores fakes of other latents 0.3: the generator has learned to draw these latents only",
        lambda run, well: _late(-np.log1p(-run["score_fake"])) < 0.7 * _late(run["loss_fake"])
        and _late(run["loss_true"]) > 0.6,
        "draw new latents in every update, and look at samples of latents that were not trained on",
        loss=_reused,
    ),
    "B": Bug(
        "The learning rate is 100 times too large.",
        "`Adam(4e-2)` for `Adam(4e-4)`.",
        "samples are other pictures at every look: they move by more than true images differ from their mean, and are "
        "more diverse than these; losses jump by a factor of ten from one update to the next",
        lambda run, well: _late(run["watched moved"]) > 2 * _late(well["watched moved"])
        and np.max(run["watched diversity"]) > 1.2 * _late(run["watched diversity_true"]),
        "the paper's 2e-4, or twice that",
        {"learning_rate": 4e-2},
    ),
    "C": Bug(
        "The discriminator's labels are swapped.",
        "`discriminator.train_on_batch(true, zeros)` and `(fake, ones)`, while the generator's label is 1.",
        "both play for the same: the generator's loss falls to 0, true images are scored near 0 and fakes near 1, and "
        "nothing is drawn",
        lambda run, well: _late(run["score_fake"]) > 0.9 > 0.1 > _late(run["score_true"]),
        "label 1 for true samples, 0 for fake ones, and 1 for fakes in the generator's update",
        loss=_swapped,
    ),
    "D": Bug(
        "True images are not scaled.",
        "`discriminator(images)` for `discriminator(scale(images))`: pixels from 0 to 255 beside a tanh.",
        "the discriminator is sure of everything from the first updates on, by brightness alone: both its losses end "
        "near 0 (0.001 and 0.002, a healthy one's 0.5) although both updates see one network (gap 0); nothing is drawn",
        lambda run, well: max(_late(run["loss_true"]), _late(run["loss_fake"])) < 0.02 * _late(well["loss_fake"])
        and np.max(run["watched gap"]) < 0.1
        and _late(run["score_true"]) > 0.9,
        "scale to [-1, 1], the range of the generator's last layer, and print minimum and maximum of a batch",
        loss=_unscaled,
    ),
    "E": Bug(
        "The modes of batch normalisation are mixed.",
        "`discriminator.trainable = False` and `generator.predict`: the report's loop, under TensorFlow 2 and later.",
        "the same fakes are scored near 0 in one update and near 1 in the other: the gap; the generator's loss is near "
        "0 although the discriminator's says that it tells every fake",
        lambda run, well: np.max(run["watched gap"]) > 0.9,
        "`training=True` in every pass (notebook 05)",
        {"statistics": "moving"},
    ),
    "F": Bug(
        "The discriminator is frozen.",
        "`trainable = False` before `compile`, or one flag for both updates: Keras 3 reads it when it traces.",
        "of true images it says what it said at the beginning, 0.5, a loss of log 2; of fakes it says ever more surely "
        "that they are true, and its loss on them rises: the generator draws what a network of random weights likes",
        lambda run, well: abs(_late(run["loss_true"]) - np.log(2)) < 0.15 and np.std(run["score_true"]) < 0.05,
        "take gradients with respect to one network's weights and leave the flag alone",
        recipe=_frozen,
    ),
    "G": Bug(
        f"The loader never moves on: every batch is the same {FEW} images.",
        "`images[:batch_size]` for `images[rows]`, or a shuffle buffer of 4.",
        "curves of a discriminator that is ahead, samples that look well; only few different pictures come, and they "
        "become copies; the true images' own diversity (0.34, that of the dataset is 0.43) gives it away before the "
        "first update",
        lambda run, well: _late(run["watched diversity_true"]) < 0.93 * _late(well["watched diversity_true"]),
        "look at two true batches side by side",
        images=lambda images: np.resize(images[:FEW], images.shape),
    ),
    "H": Bug(
        "The generator descends log(1 - D).",
        "`-cross_entropy(fake_logits, 0)`, the formula of the game, for `cross_entropy(fake_logits, 1)`.",
        "as soon as the discriminator is ahead the generator's gradient is nearly 0, a small part of a healthy one's, "
        "and -log D, which is drawn, stays high; after a hundred updates the gradient comes back and samples differ",
        lambda run, well: _late(run["gradient_norm"]) < 0.2 * _late(well["gradient_norm"])
        and _late(run["loss_generator"]) > 1.5 * _late(well["loss_generator"]),
        "the non-saturating loss (Goodfellow et al., arXiv:1406.2661, §3)",
        {"loss": "saturating"},
    ),
    "I": Bug(
        "The sigmoid is there twice.",
        "`Dense(1, activation=\"sigmoid\")` together with `from_logits=True`.",
        "the losses cannot go where they should: a score in [0, 1] that is taken for a logit makes that of true images "
        "at least log(1 + 1/e) = 0.31 and that of fakes at least log 2 = 0.69",
        lambda run, well: np.min(run["loss_true"]) > 0.31
        and np.min(run["loss_fake"]) > 0.69
        and _late(run["score_fake"]) < 0.5,
        "one of the two",
        loss=_sigmoid_twice,
    ),
    "J": Bug(
        "The generator's update changes the discriminator, too.",
        "`combined.compile` without freezing: gradients go to `combined.trainable_variables`.",
        "the discriminator is taught in every update that fakes are true: from the first ones on it scores them 0.6, "
        "its loss on them stays at 1.1, above log 2, and the generator's is far below a healthy one's",
        lambda run, well: _late(run["loss_generator"]) < 0.5 * _late(well["loss_generator"])
        and _late(run["loss_fake"]) > 2 * _late(well["loss_fake"])
        and _late(run["score_true"]) > _late(run["score_fake"]),
        "`generator.trainable_variables`, nothing else",
        recipe=_nobody_frozen,
    ),
}  # fmt: skip
"""The bugs by the letters of their patients. Read it after the notebook."""


def signature(results: dict, letter: str) -> bool:
    """Whether a kept run shows what its bug should show, beside the healthy run of the same results."""
    runs = {run["arm"]: course(run) for run in results["runs"]}
    return bool(BUGS[letter].shows(runs[letter], runs[HEALTHY]))


# --- the study --------------------------------------------------------------------------------------------------------


def planted_bugs(data: str = "faces", scale: str = "report") -> Study:
    """A healthy training of small networks, and the same with one bug each.

    Args:
        data: name of a dataset, or the path of own pictures.
        scale: one of `presets.SCALES`.
    """
    batch_size, per_epoch, epochs, watched = at_scale(SIZES, scale)
    base = base_for(
        "quick", data, scale, image_size=16, width=0.25, summary_epochs=max(1, epochs // 5), summary_samples=64,
        batch_size=batch_size, count=batch_size * per_epoch, epochs=epochs,
        learning_rate=4e-4, discriminator_updates="separate", shared_latents=False, ema_decay=0.0,
        generator={"filters": (128, 128), "strides": (2, 2)},
        discriminator={"filters": (64, 128, 256), "strides": (1, 2, 2)},
    )  # fmt: skip
    base = replace(base, watch_updates=watched)  # at scale quick as often as in the report
    arms = [Arm(HEALTHY, "nothing is wrong", base)]
    for letter, bug in BUGS.items():
        name = f"planted {letter}"
        named = {"loss": name} if bug.loss else {"recipe": name} if bug.recipe else {}
        arms.append(Arm(letter, f"patient {letter}", replace(base, **bug.changes, **named)))
    return Study(
        study_name("planted_bugs", data, scale),
        "What is wrong with each of these trainings?",
        tuple(arms),
        seeds=(0,),
        scale=scale,
    )


def treated(data: str, scale: str, letter: str, treatment: dict) -> Study:
    """One patient as it is, and with settings changed.

    Args:
        data, scale: as for `planted_bugs`.
        letter: of the patient.
        treatment: settings, as `config.replace` takes them.
    """
    study = planted_bugs(data, scale).only([letter])
    (ill,) = study.arms
    listed = ", ".join(f"{name}={value!r}" for name, value in treatment.items())
    # Named after the treatment: results of two are never taken for one.
    cured = Arm(f"{letter} treated, {listed}", f"with {listed}", replace(ill.experiment, **treatment))
    return dataclasses.replace(study, name=f"{study.name}-treated", arms=(ill, cured))


@contextmanager
def planted() -> Iterator[None]:
    """While it lasts, losses and recipes with bugs can be chosen by name."""
    losses = {f"planted {letter}": bug.loss() for letter, bug in BUGS.items() if bug.loss}
    recipes = {f"planted {letter}": bug.recipe for letter, bug in BUGS.items() if bug.recipe}
    LOSSES.update(losses)
    RECIPES.update(recipes)
    try:
        yield
    finally:
        for name in losses:
            del LOSSES[name]
        for name in recipes:
            del RECIPES[name]


def carry_out(
    study: Study,
    home: str | Path | None = None,
    out: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> tuple[dict[tuple[str, int], Run], Path]:
    """Train the patients, and keep their courses, their grids and what the doctor said.

    Args:
        study, home, out, data_dir, progress: as for `train_study`. What is trained already is not repeated, what was
            begun is finished, and a training that fails by its numbers is kept as it ended: that is a finding, too.

    Raises:
        InputError: there are too few images, or the results that are kept under the study's name are of others.
    """
    from tqdm.auto import tqdm

    from utils.data import load_for
    from utils.errors import TrainingFailed
    from utils.studies import results

    home, out = results.folders(home, out)
    folder, runs, first = home / study.name, {}, study.arms[0].experiment
    images = results.images_expected(study, first.data, first.model.image_size, out, data_dir, progress)
    with planted():
        for arm in tqdm(study.arms, desc=study.name, unit="run", disable=not progress):
            for seed in study.seeds:
                experiment = replace(arm.experiment, seed=seed)
                dataset = load_for(experiment, data_dir, progress)
                of = BUGS.get(arm.name.split()[0])  # a treated patient has the images of the patient
                change = of and of.images
                if change:
                    changed = change(np.asarray(dataset.images))
                    print_of = f"{dataset.fingerprint} {arm.name}"
                    dataset = dataclasses.replace(dataset, images=changed, fingerprint=print_of)
                key = run_key(experiment, dataset.fingerprint)
                try:  # what failed before ends in the same way, soon: it goes on from its last checkpoint
                    runs[arm.name, seed] = finish(experiment, dataset, runs_begun(folder).get(key), folder)
                except TrainingFailed:
                    runs[arm.name, seed] = runs_begun(folder)[key]

        def said(run: Run) -> dict:
            warnings = [line for line in run.logged() if line.startswith(("Warning", "Update"))]
            copied = [row["copied"] for row in run.watch() if "copied" in row]
            return {"doctor": warnings, "ended": "" if run.is_finished else run.state.why, "copied": copied}

        return runs, results.keep(study, runs, out, said, images=images)


def doctors_table(results: dict) -> list[dict]:
    """A row for each patient: what the doctor of trainings measured last, what it said first, and how it ended."""
    rows, several = [], len({run["seed"] for run in results["runs"]}) > 1
    for run in results["runs"]:
        last, first = next(reversed(run["watch"]), None), next(iter(run["doctor"]), "nothing")  # it may end before
        share = last and last["diversity"] / last["diversity_true"]
        rows.append(
            {
                "patient": run["arm"],
                **({"seed": run["seed"]} if several else {}),
                "gap": f"{last['gap']:.2f}" if last else "",
                "diversity, share of the true images'": f"{share:.2f}" if last else "",
                "moved since the last look": f"{last.get('moved', 0):.2f}" if last else "",
                "copies": f"{run['copied'][-1]:.0%}" if run["copied"] else "",
                "the doctor's first word": first.removeprefix("Warning. "),
                "ended": run["ended"] or f"after {run['updates']} updates",
            }
        )
    return rows


def answers(letters: str = "".join(BUGS)) -> list[dict]:
    """What is wrong with each patient, where it is in a program, how it shows, and the cure."""
    return [
        {"patient": letter, "bug": BUGS[letter].what, "in a program": BUGS[letter].where,
         "shows": BUGS[letter].tells, "cure": BUGS[letter].cure}
        for letter in letters
    ]  # fmt: skip


def plot_patient(results: dict, letter: str) -> Figure:
    """Draw the course of one patient beside the healthy training's."""
    return plot_arms(results, [HEALTHY, letter], PANELS)


def plot_treated(results: dict, study: Study) -> Figure:
    """Draw the courses of a patient and of the same with a treatment."""
    return plot_arms(results, [arm.name for arm in study.arms], PANELS)


def answer(results: dict) -> tuple[list[dict], Figure]:
    """The table and the figure of kept results; neither says what is wrong."""
    return doctors_table(results), plot_arms(results, list(results["arms"]), PANELS)
