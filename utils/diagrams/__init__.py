"""Diagrams that are drawn from the code: networks from Keras models, updates from recipes, methods from what they do.

A record is read off first (`architecture`, `game`), then drawn; all diagrams are Matplotlib figures in the style of
`canvas`, which `utils.figure.write_figure` writes as SVG or PNG.
"""
