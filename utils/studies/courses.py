"""How far samples are on the way of a long training, drawn by the generator itself and by its average (notebook 10)."""

from matplotlib.figure import Figure

from utils.figure import new_figure
from utils.viz import plain_ticks

DRAWN = {"average": "-", "generator": ":", "average_restated": "--", "generator_restated": "-."}
"""Ways to draw samples, and how their lines look."""
JUDGED = {"set_apart": "-", "drawn": ":"}
"""Images that the discriminator's scores are shown of, and how their lines look."""
_LOOKS = {"-": "solid", ":": "dotted", "--": "dashed", "-.": "dash-dotted"}


def plot_courses(kept: dict) -> Figure:
    """Draw the distances of one dataset in each space over updates, and what the discriminator gives.

    Args:
        kept: one of the "sets" that `benchmarks/drawn_by.py --json` prints: "data" with its title, and "rows", one for
            each mark of each training, with "spaces" (kernel distances by way to draw) and "judged" (mean scores).
    """
    rows = kept["rows"]
    courses = {(row["contender"], row["seed"]): [] for row in rows}
    for row in sorted(rows, key=lambda row: row["updates"]):
        courses[row["contender"], row["seed"]].append(row)
    spaces = [space["name"] for space in rows[0]["spaces"]]
    ways = [way for way in DRAWN if way in rows[0]["spaces"][0]["values"]]
    if ways == ["average", "generator"]:  # the usual two
        drawn = "dotted: drawn by the generator itself,\nnot by its average"
    else:
        drawn = "drawn by " + "\n".join(f"{way.replace('_', ', ')} ({_LOOKS[DRAWN[way]]})" for way in ways)
    figure = new_figure(4.2 * (len(spaces) + 1), 3.9, f"{kept['data']['title']}, {kept['data']['size']} pixels")
    *distances, scores = figure.subplots(1, len(spaces) + 1)
    for colour, ((contender, seed), course) in enumerate(courses.items()):
        updates, look = [row["updates"] for row in course], {"color": f"C{colour}", "marker": "o", "markersize": 3}
        for number, axes in enumerate(distances):
            for way in ways:
                values = [row["spaces"][number]["values"][way]["kernel"]["value"] for row in course]
                named = {"label": f"{contender}, seed {seed}"} if number == 0 and way == ways[0] else {}
                axes.plot(updates, values, DRAWN[way], **look, **named)
        for kind, line in JUDGED.items():
            scores.plot(updates, [row["judged"][kind] for row in course], line, **look)
    for axes, space in zip(distances, spaces):
        axes.set(yscale="log", xlabel="updates", ylabel="kernel distance")
        plain_ticks(axes.yaxis)
        axes.set_title(f"{space}\n{drawn}", fontsize=8)
    scores.set(ylim=(-0.02, 1.02), xlabel="updates", ylabel="mean score")
    scores.set_title("what the discriminator gives\nimages that it was not trained on;\ndotted: fakes", fontsize=8)
    for axes in (*distances, scores):
        axes.set_xlim(left=0)
        axes.grid(alpha=0.25)
    figure.legend(loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure
