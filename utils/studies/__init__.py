"""The report's studies, each as a list of arms that differ in what is asked about, and the figures that answer it.

`study.py` trains the arms of any study and keeps its results; the other files are one study each. To add a study: one
file with a function that gives a `Study`, one entry in `STUDIES`, and a notebook that shows its figures.
"""
