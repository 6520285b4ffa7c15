"""Train, understand and explain deep convolutional GANs (DCGANs).

The modules form floors; imports point downwards only (`pyproject.toml` holds the contract, a test checks it)::

    cli   notebook                          the command line; what the cells of notebooks call
    report                                  the report that can be graded, the claims
    studies   diagrams   studio             studies: arms, results, figures; networks drawn; the page to play on
    latent                                  walks, arithmetic, directions, inversion
    explain   features                      what the discriminator sees; what its features are good for
    evaluation                              feature spaces, distances, held-out images
    networks                                which trained network is meant by a name
    training   paper_weights   pretrained   the compiled step, the loop; the authors' weights; models with a card
    runs                                    the run folder on disk
    viz   sampling   text_encoder           grids, curves, films; true and fake samples, latents; sentences
    choice                                  what to train where nobody has said it
    data   models                           datasets; networks
    fitting   presets                       networks that fit a size; experiments to start from
    lengths   parameters                    how long trainings take; how many weights networks have
    replicas   cluster                      several devices, several workers
    config   runtime                        what an experiment is; how TensorFlow is started
    tables   figure                         tables and figures
    intervals   files   registries   streams   text   errors    small things that everybody needs
"""

from utils.runtime import open_closed_streams, set_environment

open_closed_streams()
set_environment()
