"""Whether pictures are all alike, of one colour, or grey; looked for in some of the prepared images."""

from dataclasses import dataclass

import numpy as np

from utils.errors import InputError

LOOKED_AT = 500  # images at most, spread evenly,
LOOKED_BYTES = 16 << 20  # and so many bytes of them
SAME = 4  # levels of 255 that values may differ by and still look the same: what JPEG does to a plane
MOST = 0.5  # share from which it is told


@dataclass(frozen=True)
class Likeness:
    """What some of the images have in common.

    Attributes:
        images: how many there are.
        looked: how many of them were looked at.
        alike: share of those that show one and the same picture.
        flat: share of those that have one colour all over.
        white: share of those that are white all over.
        grey: share of those without colours.
    """

    images: int
    looked: int
    alike: float
    flat: float
    white: float
    grey: float

    @property
    def hopeless(self) -> bool:
        """Whether there is nothing to learn, since every picture that was looked at is the same."""
        return self.looked > 1 and self.alike == 1

    def notes(self) -> tuple[str, ...]:
        """What a user should be told, in sentences."""
        white = ", most of them white, as what is transparent becomes" if self.white >= MOST else ""
        if self.looked > 1 and self.alike >= MOST:
            cure = "" if self.hopeless else "; --dedup exact leaves repeated ones out"
            return (f"{self._share(self.alike)} alike{white}{cure}.",)
        if self.looked > 1 and self.flat >= MOST:
            return (f"{self._share(self.flat)} of one colour all over{white}.",)
        if self.grey >= MOST:
            return (f"{self._share(self.grey)} grey.",)
        return ()

    def _share(self, share: float) -> str:
        some = "" if self.looked == self.images else f" (of {self.looked:,} that were looked at)"
        return f"All pictures{some} are" if share == 1 else f"{share:.0%} of the pictures{some} are"


def look_at(images: np.ndarray) -> Likeness:
    """Look at some images.

    Args:
        images: uint8 (N, S, S, 3) in [0, 255], at least one; a memory map is read at a few places.
    """
    count = min(len(images), LOOKED_AT, max(2, LOOKED_BYTES // images[0].nbytes))
    some = np.asarray(images[np.unique(np.linspace(0, len(images) - 1, count).round().astype(int))])
    # Where more than half of them are alike, the median of each value is theirs.
    typical = np.median(some, axis=0)
    pixels = some.reshape(len(some), -1, 3)
    flat = (np.ptp(pixels, axis=1) <= SAME).all(axis=1)
    return Likeness(
        images=len(images),
        looked=len(some),
        alike=float((np.abs(some - typical) <= SAME).all(axis=(1, 2, 3)).mean()),
        flat=float(flat.mean()),
        white=float((flat & (pixels >= 255 - SAME).all(axis=(1, 2))).mean()),
        grey=float((np.ptp(pixels, axis=2) <= SAME).all(axis=1).mean()),
    )


def refuse_hopeless(images: np.ndarray, title: str) -> None:
    """Refuse to train where every picture is the same: a network would learn to draw that one, and hours would be lost.

    Pictures of one colour each are not refused, nor grey ones: there is something to learn from them.

    Raises:
        InputError: they are.
    """
    look = look_at(images)
    if look.hopeless:
        white = " and white, as what is transparent becomes" if look.white else ""
        raise InputError(
            f"All pictures of {title} are alike{white}, so there is nothing to learn from them; "
            "`./dcgan datasets FOLDER --show` draws them."
        )
