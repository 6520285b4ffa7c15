"""The claims of the assignment deck (A), and the evidence for each."""

from utils.report.claims.claim import (
    AMOUNT,
    CONFIRMED,
    EXPLAIN,
    LATENT,
    LONG,
    OPEN,
    REFUTED,
    Claim,
    Evidence,
    never,
    no_measure,
)
from utils.report.claims.course_report import textures_repeat
from utils.report.claims.reading import (
    DECKS_SUM,
    REAL_SUMS,
    amounts_in,
    attributes_in,
    by_data,
    copies_found,
    copies_in_words,
    count_in_words,
    interval_of_sums,
    of_arm,
    on_datasets,
    span,
)
from utils.report.kept import Kept


def _not_from_overfitting(kept: Kept) -> Evidence:
    texts, copied, found = {}, [], copies_found(kept)
    for name, results in on_datasets(kept, "amount_of_data").items():
        many = amounts_in(results)[-1]
        ratios = [run["nearest"]["fake"] / run["nearest"]["held_out"] for run in of_arm(results, str(many))]
        texts[name] = f"{span(ratios)}, {many:,} images"
        copied.append(min(ratios) < 1)
    return Evidence(
        "distance of samples to the nearest training image, as a share of held-out images': " + by_data(texts),
        "; ".join(copies_in_words(kept)),
        CONFIRMED if not any(copied) and found.are_excluded else OPEN,
        f"the ratio is above 1 on every dataset; {found.sign}"
        if not any(copied)
        else "below 1 samples are nearer than held-out images, but so are the grey ones of hardly trained networks: "
        "there the ratio does not decide",
    )


def _three_exemplars(kept: Kept) -> Evidence:
    one, three = (interval_of_sums(kept, REAL_SUMS, n, "latents") for n in (1, 3))
    random = [interval_of_sums(kept, REAL_SUMS, n, "random") for n in (1, 3)]
    drawn = {n: count_in_words(kept, n, "latents") for n in (1, 3)}
    return Evidence(
        f"CelebA at 64 pixels, {attributes_in(kept)} attributes: the sum has what it should in {one:.0%} of trials "
        f"with 1 exemplar, {three:.0%} with 3 (95%); `faces64`: {drawn[1]} and {drawn[3]}",
        f"random vectors as long: {random[0]:.0%} and {random[1]:.0%}",
        REFUTED if three.high < 0.5 else CONFIRMED if three.low > max(0.5, one.high) else OPEN,
        ("most sums fail with three, which on CelebA are " if three.high < 0.5 else "on CelebA three are ")
        + ("" if three.low > one.high else "not clearly ")
        + "better than one",
    )


def _men_and_glasses(kept: Kept) -> Evidence:
    record = kept.record(DECKS_SUM)
    expected = _what(record["score"]["expressions"][0]["expected"])
    has = {arm: [interval_of_sums(kept, DECKS_SUM, n, arm) for n in (3, 10)] for arm in ("latents", "random", "pixels")}
    shown = {arm: " and ".join(f"{of:.0%}" for of in each) for arm, each in has.items()}
    clear = [own.low > random.high for own, random in zip(has["latents"], has["random"])]
    return Evidence(
        f"CelebA at 64 pixels, {record['expression']}: {expected} in {shown['latents']} of trials with 3 and 10 "
        "exemplars (95%), as a classifier of true faces sees it",
        f"random vectors as long: {shown['random']}; sums of pixels: {shown['pixels']}",
        CONFIRMED if clear[0] else OPEN if clear[1] or has["latents"][0].value > has["random"][0].value else REFUTED,
        f"with three exemplars {'' if clear[0] else 'not '}clearly more often than along a random vector, with ten "
        f"{'clearly' if clear[1] else 'neither'}; the deck shows one picture",
    )


def _what(expected: dict[str, bool]) -> str:
    """Attributes in words."""
    return " and ".join(f"{'' if there else 'not '}{name.lower()}" for name, there in expected.items())


CLAIMS = (
    Claim("A1", "results", "results after one epoch and at the end show that quality does not come from overfitting",
          f"{AMOUNT}, {EXPLAIN}: copies", ("06", "faces"), _not_from_overfitting),
    Claim("A2", "data", "de-duplication keeps the generator from memorising", "–", None,
          never("`--dedup` leaves repeats out, and tests/test_dedup.py shows that it finds them; no training was "
                "compared with and without")),
    Claim("A3", "results", "memorising is unlikely at so small a learning rate", "–", None,
          never("copies were looked for at one learning rate only (S4)")),
    Claim("A4", "results", "visual under-fitting: noise textures repeat", LONG, ("01", "longer"), textures_repeat),
    Claim("A5", "latents", "one exemplar makes arithmetic unstable, three are stable", LATENT, ("13", "count"),
          _three_exemplars),
    Claim("A6", "own result", "men without glasses + people with glasses - people without glasses", LATENT,
          ("13", "real"), _men_and_glasses),
    Claim("A7", "outlook", "stability, audio and the latent space need further work", "–", None,
          no_measure("a wish, not a claim")),
)  # fmt: skip
