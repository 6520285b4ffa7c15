"""The latent space: walk it, add and subtract in it, find directions, and find one's own picture in it.

Each analysis computes a frozen record and knows nothing of files: `walk` (paths, and whether they change smoothly),
`arithmetic` (and how often it works), `turn`, `directions` (and what they change), `inversion`, and `trust`, which asks
how far the judge of all this can be trusted on fakes. `pictures` and `figures` draw the records.

From a notebook:

    sampler = ...                                    # a utils.sampling.Sampler
    record = walk(sampler, sampler.make_latents(5))  # pictures.walk_strip(record), pictures.write_walk(record, "a.mp4")
    judge = judge_for("faces")                       # of utils.evaluation.judge
    arithmetic(sampler, "glasses - without glasses + beard without glasses", judge)
"""
