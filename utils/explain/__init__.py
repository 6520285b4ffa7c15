"""What the discriminator sees, and what the generator remembers: analyses that check themselves.

Each computes a frozen record, and knows nothing of pictures: the maps (`gradcam`, `guided`, `activations`) read a
discriminator through `fixed`; `checks` asks whether the maps mean anything; `parts`, `removal` and `memory` ask
the generator. `sections` draws the records and says what they come to, and `pages` puts everything into one folder
with an index page.

To add an analysis: a file in `sections/` with a function that takes a `Subject` and a folder, computes a record (in a
module of its own here, where others may want it) and gives a `Section`; and one line in `ANALYSES`.
"""

ANALYSES = {
    "gradcam": ("Grad-CAM", "utils.explain.sections.gradcam:section"),
    "guided": ("Guided backpropagation", "utils.explain.sections.guided:section"),
    "checks": ("Do the maps mean anything?", "utils.explain.sections.checks:section"),
    "filters": ("Filters and activations", "utils.explain.sections.filters:section"),
    "features": ("What do its features tell?", "utils.explain.sections.features:section"),
    "memory": ("Does the generator copy its training images?", "utils.explain.sections.memory:section"),
    "removal": ("Removing a part", "utils.explain.sections.removal:section"),
}
"""Title of each analysis, and module and function of its section, in the page's order. Only those that are asked for
are imported, so the list needs no TensorFlow."""
OF_A_LAYER = ("gradcam", "guided", "checks")
"""Those that explain one layer, `Subject.layer`. The others look at all layers, at the first, or at the generator."""
