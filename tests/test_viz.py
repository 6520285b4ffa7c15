import subprocess
import weakref
from types import SimpleNamespace

import imageio.v2 as imageio
import imageio_ffmpeg
import numpy as np
import pytest

from utils import viz
from utils.config import TrainingConfig
from utils.errors import InputError
from utils.registries import LOSSES, chosen


def test_a_grid_shows_every_image_enlarged_by_a_whole_factor_in_reading_order():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 3), np.uint8)
    sheet = viz.grid(images, columns=3, tile=64, gap=2)
    assert sheet.shape == (2 * 66 + 2, 3 * 66 + 2, 3)
    centres = [sheet[2 + 66 * (i // 3) + 32, 2 + 66 * (i % 3) + 32, 0] for i in range(6)]
    assert centres == [0, 1, 2, 3, 4, 255]
    assert (sheet == 255).sum() == sheet.size - 5 * 64 * 64 * 3  # the rest is white


def test_a_grid_of_floats_is_refused():
    with pytest.raises(InputError, match="float32"):
        viz.grid(np.zeros((4, 8, 8, 3), np.float32))


def test_a_film_holds_every_frame_in_order_and_is_h264_that_browsers_play(tmp_path):
    frames = [viz.caption(np.full((64, 96, 3), 60 * i, np.uint8), f"epoch {i}") for i in range(4)]
    viz.write_film(tmp_path / "film.mp4", frames, fps=2, hold_last=1)
    shown = np.stack(imageio.mimread(tmp_path / "film.mp4", memtest=False))
    assert shown.shape == (6, 96, 96, 3)  # four epochs, the last one held for a second
    np.testing.assert_allclose(shown[:, -32:].mean((1, 2, 3)), [0, 60, 120, 180, 180, 180], atol=6)
    assert shown[0, :32].min() < 120 < 200 < shown[0, :32].mean()  # dark letters on white
    about = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-i", tmp_path / "film.mp4"], capture_output=True, text=True
    ).stderr
    assert "h264" in about and "yuv420p" in about


@pytest.mark.parametrize("name", ["film.mp4", "film.gif"])
def test_a_long_film_never_holds_more_than_some_frames(tmp_path, name):
    alive, most = set(), 0

    def frames():
        nonlocal most
        for i in range(60):
            frame = np.full((32, 32, 3), 4 * i, np.uint8)
            alive.add(i)
            weakref.finalize(frame, alive.discard, i)
            most = max(most, len(alive))
            yield frame

    viz.write_film(tmp_path / name, frames(), fps=10, hold_last=0)
    assert len(imageio.mimread(tmp_path / name, memtest=False)) == 60 and most < 10
    with pytest.raises(InputError, match="at least one frame"):
        viz.write_film(tmp_path / f"no{name}", iter(()))
    with pytest.raises(InputError, match="name in .mp4 or .gif"):
        viz.write_film(tmp_path / "film.avi", frames())
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_gif_holds_the_same_frames(tmp_path):
    frames = [np.full((8, 8, 3), 60 * i, np.uint8) for i in range(3)]
    viz.write_film(tmp_path / "film.gif", frames, fps=1, hold_last=0)
    assert [int(frame.mean()) for frame in imageio.mimread(tmp_path / "film.gif")] == [0, 60, 120]


@pytest.mark.parametrize("fps", [0.01, 60])
@pytest.mark.parametrize("name", ["film.mp4", "film.gif"])
def test_films_may_be_as_slow_and_as_fast_as_commands_take_them(tmp_path, name, fps):
    frames = [np.full((32, 32, 3), 60 * i, np.uint8) for i in range(3)]
    viz.write_film(tmp_path / name, frames, fps=fps)
    shown = imageio.mimread(tmp_path / name, memtest=False)
    np.testing.assert_allclose([frame[..., :3].mean() for frame in shown][:3], [0, 60, 120], atol=6)


def test_smoothing_keeps_a_constant_and_averages_neighbours():
    np.testing.assert_allclose(viz.smooth(np.full(7, 3.0), 4), 3.0)
    np.testing.assert_allclose(viz.smooth(np.array([0.0, 3.0, 6.0, 3.0]), 3), [1.5, 3.0, 4.0, 4.5])


def test_smoothing_passes_over_what_is_not_known_and_is_so_only_where_nothing_is():
    values = np.array([1.0, np.nan, 3.0, np.nan, np.nan, np.nan, 5.0])
    np.testing.assert_array_equal(viz.smooth(values, 3), [1, 2, 3, 3, np.nan, 5, 5])


@pytest.mark.parametrize("name", LOSSES)
def test_log_2_is_called_undecided_where_it_is_the_loss_of_a_discriminator_that_cannot_tell(name):
    loss, zeros = chosen(LOSSES, name), np.zeros((4, 1), np.float32)
    view = SimpleNamespace(true_logits=zeros, fake_logits=zeros, settings=TrainingConfig())
    terms = [*loss.discriminator, *loss.generator]
    drawn = [term for term in terms if term.name not in ("loss_mismatched", "loss_interpolated")]  # of other pairs
    values = [float((term.recorded or term.value)(view)) for term in drawn]
    undecided = values == pytest.approx([np.log(2)] * len(values))
    steps = {"epoch": np.arange(3.0), "score_true": np.ones(3), "score_fake": np.ones(3), "loss_generator": np.ones(3)}
    epochs = {"epoch": np.arange(2.0), "accuracy_true": np.ones(2), "accuracy_fake": np.ones(2)}
    _, labels = viz.plot_training(steps, epochs, "a title", loss=name).axes[0].get_legend_handles_labels()
    assert ("log 2 (undecided)" in labels) == undecided
