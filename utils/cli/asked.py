"""What a user asks a conditional generator for, as the commands that draw share it."""

from typing import Annotated

from tyro.conf import arg

from utils.errors import InputError

Label = Annotated[str | None, arg(name="label", metavar="NAME")]
"""The option `--label`."""
Attributes = Annotated[str | None, arg(name="attributes", metavar="NAME=1,NAME=0")]
"""The option `--attributes`."""


def conditions_for(trained, label: str | None, attributes: str | None):
    """Conditions to draw from, and what they mean in a sentence ("" if that is plain); see `conditions.asked_for`.

    Without a label or attributes they are those that occur in the training data, None of an unconditional generator.

    Args:
        trained: the network (`networks.TrainedNetwork`).
        label, attributes: as the user typed them.

    Raises:
        InputError: it does not know what is asked for.
    """
    from utils.data.conditions import asked_for

    model, kept = trained.experiment and trained.experiment.model, trained.conditions
    if label is not None and attributes is not None:
        raise InputError("A model knows either classes or attributes: give one of --label and --attributes.")
    if model and model.is_conditional and kept is None:
        raise InputError(f"conditions.npy of {trained.title} is missing: without it nothing can be asked for.")
    if label is None and attributes is None:
        return kept, ""
    if model is None:
        raise InputError(f"{trained.file} does not say what it was trained on, so it cannot be asked for anything.")
    return asked_for(model, kept, label, attributes)
