import numpy as np
import pytest

from utils.data import scale_back
from utils.errors import InputError
from utils.sampling import Sampler, fake_samples_generator, make_latent_samples, true_samples_generator


def test_latents_have_the_distribution_asked_for_and_repeat_with_the_seed():
    normal = make_latent_samples(2000, 100, seed=1)
    assert normal.shape == (2000, 100) and normal.dtype == np.float32
    assert abs(normal.mean()) < 0.01 and abs(normal.std() - 1) < 0.01  # 200,000 draws: five standard errors
    uniform = make_latent_samples(2000, 100, seed=1, distribution="uniform")
    assert -1 <= uniform.min() < -0.999 and 0.999 < uniform.max() <= 1
    assert abs(uniform.std() - 3**-0.5) < 0.01
    assert np.array_equal(normal, make_latent_samples(2000, 100, seed=1))
    assert not np.array_equal(normal, make_latent_samples(2000, 100, seed=2))


def test_true_samples_are_rows_of_the_dataset_without_repetition_labelled_one(noise_images):
    samples, labels = true_samples_generator(noise_images, 24, seed=3)
    assert labels.shape == (24, 1) and (labels == 1).all()
    rows = {image.tobytes() for image in np.rint(samples * 127.5 + 127.5).astype(np.uint8)}
    assert rows == {image.tobytes() for image in noise_images}


def test_fake_samples_are_what_the_generator_draws_whatever_the_batch_size_labelled_zero():
    def generator(latents):
        return np.tanh(latents[:, :3, None, None].transpose(0, 2, 3, 1) * np.ones((1, 4, 4, 1), np.float32))

    latents = make_latent_samples(10, 5)
    samples, labels = fake_samples_generator(generator, latents, batch_size=3)
    np.testing.assert_array_equal(samples, generator(latents))
    assert labels.shape == (10, 1) and not labels.any()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda images: true_samples_generator(images, 25), "Received: 25 of 24"),
        (lambda images: make_latent_samples(0, 5), "count must be at least 1"),
        (lambda images: make_latent_samples(1, 5, distribution="cauchy"), "'cauchy'"),
        (lambda images: fake_samples_generator(lambda z: z, np.zeros((0, 5), np.float32)), "Received: \\(0, 5\\)"),
    ],
)
def test_wrong_uses_are_refused_in_one_sentence(noise_images, call, words):
    with pytest.raises(InputError, match=words):
        call(noise_images)


def test_a_sampler_draws_what_its_generator_makes_of_latents_as_it_was_trained_on():
    def generator(latents):
        return np.clip(latents, -1, 1).reshape(-1, 2, 1, 3)

    sampler = Sampler(generator, 6, "uniform")
    expected = scale_back(fake_samples_generator(generator, make_latent_samples(9, 6, 4, "uniform"))[0])
    assert np.array_equal(sampler.draw(9, seed=4), expected)
    assert np.array_equal(sampler.images(sampler.make_latents(9, 4)), generator(sampler.make_latents(9, 4)))


def test_a_sampler_of_a_conditional_generator_draws_conditions_from_those_there_are():
    conditions, seen = np.eye(4)[:3], []

    def generator(inputs):
        latents, given = inputs
        seen.append(given)
        return given[:, :3].reshape(-1, 1, 1, 3) * np.ones_like(latents[:, :1, None, None])

    pictures = Sampler(generator, 5, conditions=conditions).draw(600, seed=1)
    assert [len(given) for given in seen] == [256, 256, 88]
    given = np.concatenate(seen)
    assert np.array_equal(pictures, scale_back(given[:, :3].reshape(-1, 1, 1, 3)))  # row by row
    assert len(np.bincount(given.argmax(1))) == 3 and np.bincount(given.argmax(1)).min() > 150
