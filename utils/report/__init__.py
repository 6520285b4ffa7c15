"""Reports that can be graded: what is known of runs, models and studies, as a page and as a PDF. Nothing is trained.

`document` is what a report is made of, in plain values; `of_networks` (runs and models), `of_study` and `of_project`
make one of what lies on disk; `markdown` reads a student's own text; `write` keeps it as one JSON file and pictures,
and makes the page (`page.html`) and the PDF (`paper.typ`) of these alone. `analyses` reads what `explain` and
`features` kept of a run, `kept` what is kept of studies and notebooks; `claims` is the table of everything that the
sources claim, and `grade` checks a run against a rubric.

What is not there is said in its place, with the command that makes it.
"""
