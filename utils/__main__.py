"""`python -m utils` is the command line; `./dcgan` starts it through `start.py`."""

import sys

HELP = """\
usage: ./dcgan COMMAND [options]

Train, understand and explain deep convolutional GANs.

  train      train a DCGAN: ./dcgan train [--data NAME|FOLDER] [--minutes M] [--preset P] [any setting]
  resume     go on with a run that was stopped, or for more epochs
  launch     start several workers of a training on this machine: ./dcgan launch --workers 2 train …
  sample     draw pictures with a trained generator
  film       make a run's film and curves anew
  show       a run's settings, where it stands, its last figures; or a model's card
  evaluate   how far samples are from true images, and which combinations they miss
  compare    runs and models side by side: settings, distances, samples, curves
  explain    what a discriminator looks at, whether such maps mean anything, what its generator remembers
  walk       a film from sample to sample, or through your own pictures, and whether it changes smoothly
  arithmetic add and subtract what samples show: "glasses" - "without glasses" + "beard"; count how often it works
  directions what can be steered, and what else changes with it
  invert     the latents that draw a picture of yours, for walk and arithmetic
  features   how well a linear classifier does on what a discriminator has learned, beside controls
  presets    the experiments to start from, with parameter counts
  draw       networks, or the steps of an update, as a diagram for a page or a slide
  datasets   what data is there, what is missing and how to get it
  dedup      find images that repeat others, and draw them
  notebooks  run the notebooks from top to bottom, into a folder
  lab        open the notebooks in Jupyter Lab
  publish    give a run's networks a name and a card
  import-paper make a model of the networks that the paper's authors released
  study      train the arms of one of the report's studies
  report     a page and a PDF that can be graded: of runs, a study, or everything that is kept
  grade      check a run, and its report, against a rubric: what a machine can check, and what it cannot
  claims     every claim of the sources: what was measured, its control, the verdict
  studio     a page in the browser to draw, walk, add, ask, judge, guess and watch; also as static files
  test       run the project's tests
  completion print a script that completes commands and options in bash or zsh

./dcgan COMMAND --help explains a command. Without options, `./dcgan train` learns to draw faces in minutes.
"""


if __name__ == "__main__":  # worker processes import this module under another name
    for stream in (sys.stdout, sys.stderr):  # lines come at once, and no letter is too strange for a terminal
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
    if len(sys.argv) == 1 or sys.argv[1] in ("-h", "--help", "help"):
        print(HELP, end="")  # imports nothing, so it works before anything is installed
        sys.exit(0)
    from utils.cli import main
    from utils.runtime import keep_matplotlib_plain, outlive_readers

    if sys.argv[1] in ("train", "resume", "launch", "study", "notebooks"):
        outlive_readers()
    keep_matplotlib_plain()
    sys.exit(main())
