"""Why batch normalisation broke the report's training (§5.1, Figs 10 to 12), one change at a time."""

from utils.config import preset, replace
from utils.studies.study import Arm, Study

UPDATES_PER_EPOCH, EPOCHS = 100, 4


def batch_normalisation(data: str = "faces") -> Study:
    """The report's networks with and without batch normalisation, and every step between its failure and the cure.

    On the built-in faces the networks have half the report's width, on other data all of it; 400 updates of 64 images.

    Args:
        data: name of the dataset.
    """
    built_in = data == "faces"
    base = replace(
        preset("report32"),
        name=data,
        count=64 * UPDATES_PER_EPOCH,
        width=0.5 if built_in else 1.0,
        batch_size=64,
        epochs=EPOCHS,
    )

    def arm(name: str, about: str, **changes) -> Arm:
        return Arm(name, about, replace(base, **changes))

    recipe = {"batch_norm": "batch", "weights": "normal"}
    arms = (
        arm("off", "no batch normalisation, as in the report's final runs"),
        arm("moving", "as freezing plus predict do: the report's batch normalisation", batch_norm="moving"),
        arm("batch", "batch statistics in every pass", batch_norm="batch"),
        arm("recipe", "batch statistics in every pass, weights N(0, 0.02)", **recipe),
    )
    chain = (
        arm("moving_judge", "only the judge of the generator is on moving averages", batch_norm="moving_judge"),
        arm("moving_fakes", "only the discriminator's fakes are drawn in inference mode", batch_norm="moving_fakes"),
        arm("moving_normal", "moving, weights N(0, 0.02)", batch_norm="moving", weights="normal"),
        arm("moving_momentum_0.9", "moving, momentum 0.9", batch_norm="moving", batch_norm_momentum=0.9),
        arm("moving_momentum_0.8", "moving, momentum 0.8", batch_norm="moving", batch_norm_momentum=0.8),
        arm("moving_slow", "moving, learning rate 2e-5 (the report's text)", batch_norm="moving", learning_rate=2e-5),
        arm("moving_generator_only", "moving, the generator alone is normalised",
            batch_norm="moving", discriminator={"norm": False}),
        arm("batch_slow", "batch, learning rate 2e-5", batch_norm="batch", learning_rate=2e-5),
        arm("batch_joined", "batch, true and fake joined for the discriminator's update",
            batch_norm="batch", discriminator_updates="joint", join_batches=True),
        arm("recipe_joined", "recipe, true and fake joined for the discriminator's update",
            **recipe, discriminator_updates="joint", join_batches=True),
        arm("recipe_joint", "recipe, one Adam step on both losses", **recipe, discriminator_updates="joint"),
        arm("recipe_norm_first", "recipe, the discriminator's first block is normalised too",
            **recipe, discriminator={"norm_first": True}),
        arm("recipe_generator_only", "recipe, the generator alone is normalised",
            **recipe, discriminator={"norm": False}),
        arm("off_normal", "no batch normalisation, weights N(0, 0.02)", weights="normal"),
    )  # fmt: skip
    return Study(
        f"batch_normalisation-{data}",
        "Why did batch normalisation break the report's training, and what makes it work?",
        arms + chain if built_in else arms,
    )
