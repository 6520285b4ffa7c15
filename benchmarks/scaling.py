"""What several devices tell each other in an update of each preset, and what that leaves of their speed: a model.

    python -m benchmarks.scaling                         # by preset: how long an update must be for half of the speed
    python -m benchmarks.scaling --seconds 0.1           # speed-ups where an update takes so long on one device

Bytes are counted from the settings (`utils.training.traffic`), times follow from assumptions on links; nothing is
measured. What is measured on one machine: `./dcgan launch --workers 2 train …` beside one worker on one core.
"""

import argparse
import json
import sys

from benchmarks.sentences import above_zero, in_a_sentence
from utils import runtime
from utils.presets import preset, presets
from utils.tables import table


@in_a_sentence
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", choices=presets(), default=list(presets()), metavar="PRESET")
    parser.add_argument("--seconds", type=above_zero, help="of an update on one device")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    runtime.start()
    from utils.training.traffic import LINKS, efficiency, seconds_to_share, sent_by_each, traffic

    rows = []
    for name in options.presets:
        amount = traffic(preset(name))
        row = {
            "preset": name,
            "MB of gradients": round(amount.gradients / 1e6, 1),
            "kB of statistics": round(amount.statistics / 1e3),
            "sums that wait": round(amount.waits),
            "MB sent by each of 8": round(sent_by_each(amount.bytes, 8) / 1e6, 1),
        }
        for link in LINKS:
            if options.seconds:
                share = efficiency(options.seconds, amount, link)
                row[f"{link.about}: speed-up"] = round(share * link.replicas, 1)
            else:  # half of the time is computing when t / k is what sharing takes
                row[f"{link.about}: ms for half"] = round(1000 * link.replicas * seconds_to_share(amount, link), 1)
        rows.append(row)
    print(json.dumps({"seconds": options.seconds, "rows": rows}, indent=2) if options.json else table(rows))


if __name__ == "__main__":
    sys.exit(main())
