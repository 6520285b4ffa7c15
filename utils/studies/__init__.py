"""The report's studies: arms that differ in what is asked about, trained alike, and the figures that answer it.

`study.py` trains the arms of any study, `measure.py` measures their runs, `results.py` keeps what was measured, and
`train.py` does all three; `figures.py` draws it; `perfect_generator.py` is an experiment of its own for notebook 07,
which also reads the losses of all kept runs with `crossings.py`; `courses.py` draws kept courses for notebook 10, and
`moments.py` measures what two studies share; the other files are one study each. To add a study:
one file with a function of its name that gives a `Study` for a dataset at a scale, and a function `answer` that makes a
table and a figure of kept results; one entry in `STUDIES`; and a notebook. One whose arms are not trained as all are
has a function `carry_out` in place of `train_study`, as in `ladder.py`.
"""

STUDIES = {
    "batch_normalisation": "why batch normalisation broke the report's training, and what makes it work (notebook 05)",
    "amount_of_data": "whether more images help, at equal updates and at equal epochs (notebook 06)",
    "report_amounts": "what is left of the report's 19,000 images against 300,000 (notebook 06)",
    "losses": "what may be read off the losses (notebook 07)",
    "dropout": "whether a discriminator needs dropout (notebook 05)",
    "recipes": "which recipe gives the best pictures, by updates and by minutes (notebook 10)",
    "features": "which layers, epochs and recipes give features that tell classes apart",
    "regularised": "whether an encoder as a third player makes samples and features better",
    "cross_domain": "what pictures keep when they are drawn as another kind, without pairs (notebook 14)",
    "long_training": "what is learned of a dataset in half an hour to hours (notebooks 01 to 04)",
    "copies": "from which share of copies on does which test see them, and does a model copy (notebook 09)",
    "memorisation": "are samples copies, of few training images or after too long a training (notebook 09)",
    "planted_bugs": "what is wrong with ten small broken trainings (notebook 16)",
    "ladder": "where distances mislead: known orderings of spoilt true images in every feature space",
}
"""Name of each study's file, and of the function in it that gives its arms; what it asks."""
COUNTING = ("long_training", "report_amounts")
"""Those whose arms depend on how many own pictures there are; their functions take the datasets' folder, too, where it
is known which of the pictures can be used."""
