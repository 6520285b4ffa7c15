"""Train, understand and explain deep convolutional GANs (DCGANs).

The modules form floors; imports point downwards only (`pyproject.toml` holds the contract, a test checks it)::

    cli                         the command line
    training                    the compiled step, the loop, checkpoints
    runs   viz                  the run folder on disk; grids, curves, films
    sampling                    true samples, fake samples, latents
    data   models
    presets
    config
    runtime                     how TensorFlow is started
    errors   files              small things that everybody needs
"""

from utils.runtime import open_closed_streams, set_environment

open_closed_streams()
set_environment()
