"""Train, understand and explain deep convolutional GANs (DCGANs).

The modules form floors; imports point downwards only (`pyproject.toml` holds the contract, a test checks it)::

    cli   notebook              the command line; what the cells of notebooks call
    studies                     the report's studies: arms, results, figures
    explain                     what the discriminator sees, what the generator remembers
    evaluation                  feature spaces, distances, held-out images
    networks                    which trained network is meant by a name
    training   pretrained       the compiled step, the loop, checkpoints; models with a card
    runs                        the run folder on disk
    viz   sampling              grids, curves, films; true samples, fake samples, latents
    data   models
    presets                     experiments to start from
    config   runtime            what an experiment is; how TensorFlow is started
    tables                      text
    intervals   files           small things that everybody needs
    errors
"""

from utils.runtime import open_closed_streams, set_environment

open_closed_streams()
set_environment()
