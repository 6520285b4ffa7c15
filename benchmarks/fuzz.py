"""Coverage-guided fuzzing of the readers, by Atheris: what comes out of one that is no sentence ends it.

    V/bin/python -m benchmarks.fuzz --seconds 600 --kinds .npy .npz zip

V is an environment with Atheris (`pip install atheris`) beside the project's packages; it is no requirement of the
project. Kinds, readers and good files to begin with are those of `tests/test_bad_input.py`, whose properties hold the
same without coverage. An input that breaks a reader is written to crash-… in the current folder; its first byte is the
number of the kind.
"""

import argparse
import inspect
import os
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks.sentences import ENDING, at_least_one, in_a_sentence

LONGEST = 1 << 16  # bytes of an input


@in_a_sentence
def main() -> None:
    import atheris

    # Atheris instruments whole packages, as they are imported: so nothing of this one may be imported before.
    with atheris.instrument_imports(include=["utils"]):
        from utils.runs import PROJECT

        sys.path.insert(0, str(PROJECT / "tests"))  # where its helpers are
        from tests import test_bad_input as bad
    for part in vars(bad.unpack).values():  # the scripts' unpacker is loaded from its file, which that does not see
        part = inspect.unwrap(part) if callable(part) else part
        if inspect.isfunction(part) and part.__module__ == bad.unpack.__name__:
            atheris.instrument_func(part)

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=sorted(bad.BAD), default=sorted(bad.BAD), metavar="KIND")
    parser.add_argument("--seconds", type=at_least_one, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        corpus, work = Path(temporary) / "corpus", Path(temporary) / "work"
        corpus.mkdir()
        for number, kind in enumerate(options.kinds):
            for place, content in enumerate(bad.BAD[kind].values()):
                if len(content) < LONGEST:
                    (corpus / f"{number}-{place}").write_bytes(bytes([number]) + content)

        def one(data: bytes) -> None:
            if data:
                bad.outcome(options.kinds[data[0] % len(options.kinds)], data[1:], work)

        for number in ENDING:  # libFuzzer answers them itself; what ours raises would look like a reader's fault
            signal.signal(number, signal.SIG_DFL)
        limits = [f"-max_total_time={options.seconds}", f"-max_len={LONGEST}", "-timeout=30", "-rss_limit_mb=4096"]
        atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={os.getcwd()}/", str(corpus)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
