"""Grad-CAM: where in an image the discriminator finds what speaks for true, or for fake.

Grad-CAM averages the gradient over all places of a feature map (eq. 1). Behind a convolution that is pooled globally
nothing is lost by that. A DCGAN's discriminator flattens its last maps into a dense layer instead, so each place has
weights of its own, and the average is the same for all images and forgets them. The record therefore also holds the
contributions without averaging, which at the last convolution add up to the logit exactly.

References:
    Selvaraju et al., Grad-CAM (arXiv:1610.02391), eq. 1 and 2; Draelos and Carin, HiResCAM (arXiv:2011.08891).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import tensorflow as tf

from utils.data import scale
from utils.errors import InputError
from utils.explain.fixed import Convolution, FixedDiscriminator, Score, fixed_discriminator, sign_of
from utils.models import forward, load_network
from utils.runs import Run


@dataclass(frozen=True)
class GradCam:
    """Grad-CAM of a batch of images at one convolution.

    The score of true is the logit, that of fake is minus the logit. So the weights of eq. 1 for the two differ in
    sign only, and their maps are the positive and the negative part of one combination of the activations.

    Attributes:
        images: uint8 (N, S, S, 3).
        convolution: where the maps come from.
        logits: float32 (N,), positive for true.
        weights: float32 (N, K), eq. 1 for true: the mean over places of the logit's gradient by each activation map.
        combination: float32 (N, H, W): sum over k of weights times activations, before eq. 2's ReLU.
        contributions: float32 (N, H, W): sum over k of gradient times activation at each place (HiResCAM). Where only
            linear layers follow, their sum over places is the logit less its bias.
    """

    images: np.ndarray
    convolution: Convolution
    logits: np.ndarray
    weights: np.ndarray
    combination: np.ndarray
    contributions: np.ndarray

    def maps(self, score: Score) -> np.ndarray:
        """Eq. 2, float32 (N, H, W), at least 0: what speaks for true, or for fake."""
        return np.maximum(sign_of(score) * self.combination, 0)

    def heat(self, score: Score) -> np.ndarray:
        """The maps at the images' size, as float32 (N, S, S) in [0, 1].

        1 is the image's strongest place in either map: the two maps of an image can be compared, those of two images
        cannot.
        """
        true, fake = (enlarge(self.maps(one), self.images.shape[1]) for one in ("true", "fake"))
        most = np.maximum(true, fake).max((1, 2), keepdims=True)
        shown = true if sign_of(score) > 0 else fake
        return np.divide(shown, most, out=np.zeros_like(shown), where=most > 0)


def grad_cam(
    discriminator: FixedDiscriminator, images: np.ndarray, layer: str | int = "last", batch_size: int = 128
) -> GradCam:
    """Explain the logits of images by what a convolution's feature maps contribute to them.

    The feature maps are the activations: after the normalisation and the nonlinearity that follow the convolution.

    Args:
        discriminator: the discriminator, from `fixed_discriminator`.
        images: uint8 (N, S, S, 3) in [0, 255].
        layer: a convolution by name, number from 1, or "last".
        batch_size: images at once; decides speed and memory, not the result.

    Raises:
        InputError: images that do not fit, or a layer that does not exist.
    """
    discriminator.check(images)
    convolution = discriminator.convolution(layer)
    body, head = discriminator.body(convolution), discriminator.head(convolution)
    parts = []
    for start in range(0, len(images), batch_size):
        activations = forward(body, scale(images[start : start + batch_size]), training=False)
        with tf.GradientTape() as tape:
            tape.watch(activations)
            logits = forward(head, activations, training=False)
        # Each logit depends on its own image alone, so the gradient of their sum is the gradient of each.
        gradients = tape.gradient(logits, activations)
        weights = tf.reduce_mean(gradients, (1, 2))
        combination = tf.einsum("nk,nhwk->nhw", weights, activations)
        parts.append((logits[:, 0], weights, combination, tf.reduce_sum(gradients * activations, -1)))
    arrays = (np.concatenate([np.asarray(part, np.float32) for part in column]) for column in zip(*parts))
    return GradCam(images, convolution, *arrays)


def grad_cam_over_epochs(
    run: Run, images: np.ndarray, layer: str | int = "last", reference: np.ndarray | None = None
) -> Iterator[tuple[int, GradCam]]:
    """Explain the same images by the discriminator of every epoch, or update, that a run has kept.

    One network and one record are in memory at a time, however many epochs there are.

    Args:
        run: a run that was trained with `keep_models`.
        images: uint8 (N, S, S, 3) in [0, 255].
        layer: as in `grad_cam`.
        reference: as in `fixed_discriminator`.

    Returns:
        Each epoch, or update, with its record, in order, as they are asked for.

    Raises:
        InputError: the run has kept no models; at once, before anything is asked for.
    """
    numbers = [row[run.unit] for row in run.epochs() if run.model("discriminator", row[run.unit]).is_file()]
    if not numbers:
        why = f"{run.folder} has kept no models of its {run.unit}s"
        raise InputError(f"{why}; train with --keep-models to have a film.")
    networks = ((number, load_network(run.model("discriminator", number))) for number in numbers)
    return ((number, grad_cam(fixed_discriminator(network, reference), images, layer)) for number, network in networks)


def enlarge(maps: np.ndarray, side: int) -> np.ndarray:
    """Bring float (N, H, W) maps to (N, side, side), linearly between the centres of places."""
    return np.stack([cv2.resize(m, (side, side), interpolation=cv2.INTER_LINEAR) for m in maps.astype(np.float32)])
