"""Does more data help, and does it "stop improving after the first epochs" (report §5.2, Fig 13)?"""

from utils.config import preset, replace
from utils.studies.study import Arm, Study

BATCH_SIZE = 64
UPDATES_PER_EPOCH = (2, 10, 50, 250)
"""Of the amounts compared: 128, 640, 3,200 and 16,000 images."""
UPDATES, EQUAL_EPOCHS, SNAPSHOTS = 1000, 4, 4


def amount_of_data(data: str = "faces") -> Study:
    """Several amounts of images, at equal updates and at equal epochs, which the report's comparison mixes.

    The networks and settings are those of the preset `quick` (the recipe of the study of batch normalisation): a
    quality that does not depend on the amount for want of learning anything could not answer the question. Every arm
    keeps its networks at the same four updates.

    Args:
        data: name of the dataset.
    """
    base = replace(preset("quick"), name=data, batch_size=BATCH_SIZE, keep_models=True)
    arms = []
    for per_epoch in UPDATES_PER_EPOCH:
        count, epochs = per_epoch * BATCH_SIZE, UPDATES // per_epoch
        arms.append(
            Arm(
                f"{count}",
                f"{count:,} images, {UPDATES:,} updates = {epochs} epochs",
                replace(base, count=count, epochs=epochs, summary_epochs=epochs // SNAPSHOTS),
            )
        )
    for per_epoch in UPDATES_PER_EPOCH[:-1]:  # with the largest amount both comparisons are the same run
        count = per_epoch * BATCH_SIZE
        arms.append(
            Arm(
                f"{count}-epochs",
                f"{count:,} images, {EQUAL_EPOCHS * per_epoch} updates = {EQUAL_EPOCHS} epochs",
                replace(base, count=count, epochs=EQUAL_EPOCHS),
            )
        )
    return Study(
        f"amount_of_data-{data}",
        "Do samples get better with more training images, at equal updates and at equal epochs?",
        tuple(arms),
    )
