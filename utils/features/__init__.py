"""What a discriminator has learned: its features, and how well a linear classifier tells classes apart by them.

`extract` makes the features, `controls` what they are compared with, `svm` the classifiers, `protocols` the paper's two
experiments, `comparison` the table. Nothing here is imported before it is used: all of it brings TensorFlow or
scikit-learn.
"""

KINDS = {
    "random": "the same network with random weights",
    "pixels": "raw pixels",
    "components": "principal components of the pixels",
    "k_means": "one-layer k-means after Coates and Ng",
    "imagenet": "a network trained on ImageNet",
    "supervised": "the same architecture, trained with the labels",
}
"""What a comparison has beside the discriminator's features."""
