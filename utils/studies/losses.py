"""What may be read off the losses (report §5.3, Fig 14)?"""

from utils.config import preset, replace
from utils.studies.study import Arm, Study

BATCH_SIZE, UPDATES, SNAPSHOTS = 64, 1000, 10


def losses(data: str = "faces") -> Study:
    """Small and large data, saturating and non-saturating generator loss; samples are kept ten times on the way.

    The networks are those of the preset `quick` without averaging, so that samples and losses belong to the same
    weights.

    Args:
        data: name of the dataset.
    """
    base = replace(preset("quick"), name=data, batch_size=BATCH_SIZE, averaging=0.0, keep_models=True)
    arms = tuple(
        Arm(
            f"{count}-{loss}",
            f"{count:,} images, {loss.replace('_', '-')} generator loss",
            replace(
                base,
                count=count,
                epochs=UPDATES * BATCH_SIZE // count,
                summary_epochs=UPDATES * BATCH_SIZE // count // SNAPSHOTS,
                generator_loss=loss,
            ),
        )
        for count in (640, 6400)
        for loss in ("non_saturating", "saturating")
    )
    return Study(f"losses-{data}", "What may be read off a GAN's losses, and what may not?", arms)
