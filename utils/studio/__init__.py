"""The studio: a page to draw, walk, add, ask, judge and watch, in two forms that share it.

- `server`: a local server; the networks run in Python (`networks`), a training under way is streamed (`watching`).
- `export`: static files for any web space; the networks run in the reader's browser (`graphs`: ONNX).

Both forms serve the same front end, `page/` (plain JavaScript modules, no build step), and describe models and runs in
the same JSON (`offers`, `watching`). What differs is where pictures come from: `page/networks.js` has the two answers.
"""
