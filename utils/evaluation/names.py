"""What is known about the images of a dataset, in words. Imports no TensorFlow, so that a word that means nothing is
refused at once."""

from pathlib import Path

from utils.evaluation.held_out import source_there


def are_of_classes(dataset: str | Path, data_dir: str | Path | None = None) -> bool:
    """Whether what `names_for` gives are classes, of which an image has one.

    Raises:
        InputError: as `names_for`.
    """
    return "labels" in source_there(dataset, counts=(1,), data_dir=data_dir, tolerated=1.0).describe().fields


def names_for(dataset: str | Path, data_dir: str | Path | None = None, attributes: bool = False) -> tuple[str, ...]:
    """The classes of a dataset, or else its attributes (or these in any case), as `judge.judge_for` is asked about
    them: "long hair", "digit 3"; () where nothing is known.

    Raises:
        InputError: there is no such dataset, or it was not fetched.
    """
    there = source_there(dataset, counts=(1,), data_dir=data_dir, tolerated=1.0).describe()
    names = there.label_names if "labels" in there.fields and not attributes else there.attribute_names
    return tuple(f"digit {name}" if name.isdecimal() else name.replace("_", " ") for name in names)
