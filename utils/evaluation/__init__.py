"""How good samples are, in one number: distances to held-out true images in a fixed feature space.

`features.py` gives the space, `distances.py` the distances, `quality.py` puts both together for a generator.
`copying.py` asks whether samples are copies of training images, and `audit.py` from which share on a test would see it.
"""
