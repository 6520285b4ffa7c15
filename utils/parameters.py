"""How many parameters networks have, counted from their settings without building them. What spectral normalisation
remembers of each layer, a vector that is not trained, is no parameter here."""

import dataclasses

from utils.config import DiscriminatorConfig, Experiment, ModelConfig

PER_NORMALISED = 4  # batch normalisation's gain, shift, and moving mean and variance


def scaled(filters: int, model: ModelConfig) -> int:
    """Number of channels under the model's width factor; at least 1."""
    return max(1, round(filters * model.width))


def network_parameters(experiment: Experiment) -> dict[str, int]:
    """Parameters of the networks that an experiment trains, by their names as players."""
    model = experiment.model
    counts = {"generator": generator_parameters(model), "discriminator": discriminator_parameters(model)}
    if experiment.training.recipe == "regularised":
        counts["encoder"] = encoder_parameters(model)
    if experiment.training.recipe == "rotation":
        counts["rotation"] = rotation_parameters(model)
    return counts


def generator_parameters(model: ModelConfig) -> int:
    """Parameters of the network that `models.build_generator` builds, those that are not trained included."""
    config, normalised = model.generator, model.batch_norm != "off"
    channels, places = scaled(config.start_filters, model), config.start**2
    flat = config.projection == "dense"
    projected = model.is_conditional * model.condition_dim
    count = (model.condition_size + 1) * projected  # the dense layer that projects conditions
    count += (model.latent_dim + projected) * places * channels + config.bias * channels * (places if flat else 1)
    count += normalised * PER_NORMALISED * channels * (places if flat and config.norm_start == "flat" else 1)
    for filters in config.filters:
        out = scaled(filters, model)
        count += config.kernel**2 * channels * out + config.bias * out + normalised * PER_NORMALISED * out
        channels = out
    return count + config.output_kernel**2 * channels * 3 + config.bias * 3


def discriminator_parameters(model: ModelConfig) -> int:
    """Parameters of the network that `models.build_discriminator` builds, those that are not trained included."""
    config, normalised = model.discriminator, model.batch_norm != "off" and model.discriminator.norm
    count, channels, side = _convolutions(config, model)
    if model.is_conditional and model.conditioning == "projection":
        count += model.condition_size * channels
    elif model.is_conditional:
        count += (model.condition_size + 1) * model.condition_dim
        count += (channels + model.condition_dim) * channels + config.bias * channels
        count += normalised * PER_NORMALISED * channels
    return count + side**2 * channels + config.bias  # one weight for each value of the last map, whatever the head


def encoder_parameters(model: ModelConfig) -> int:
    """Parameters of the network that `models.build_encoder` builds, those that are not trained included."""
    config = dataclasses.replace(model.discriminator, norm_first=False)
    count, channels, side = _convolutions(config, model)
    return count + (side**2 * channels + config.bias) * model.latent_dim


def rotation_parameters(model: ModelConfig) -> int:
    """Parameters of the network that `models.build_rotation_head` builds: 4 logits of the features before the head."""
    _, channels, side = _convolutions(model.discriminator, model)
    return 4 * (side**2 * channels + 1)


def _convolutions(config: DiscriminatorConfig, model: ModelConfig) -> tuple[int, int, int]:
    """Parameters of the blocks of convolutions, and channels and side of the last map."""
    normalised = model.batch_norm != "off" and config.norm
    channels, side, count = 3, model.image_size, 0
    for block, (filters, stride) in enumerate(zip(config.filters, config.strides)):
        out = scaled(filters, model)
        count += config.kernel**2 * channels * out + config.bias * out
        count += (normalised and (block > 0 or config.norm_first)) * PER_NORMALISED * out
        channels, side = out, -(-side // stride)  # the last rows of an odd side make one more
    return count, channels, side
