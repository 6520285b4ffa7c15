"""What every reader of files does to a picture: alpha onto white, centre crop, resize."""

import cv2
import numpy as np


def fit(picture: np.ndarray, size: int) -> np.ndarray:
    """Cut the middle square out of a picture and bring it to `size`.

    Shrinking averages over areas, so nothing aliases. Enlarging interpolates linearly: it invents no detail and, other
    than a cubic, does not overshoot. A square of the right size is passed on as it is, bit for bit.

    Args:
        picture: uint8 (H, W, 3). Where H - W is odd, the square lies half a pixel towards the top or the left.
        size: side of the result, in pixels.

    Returns:
        uint8 (size, size, 3).
    """
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(picture[top : top + side, left : left + side])
    if side == size:
        return square
    return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)


def on_white(pictures: np.ndarray) -> np.ndarray:
    """Lay pictures with alpha on white, the colour of the page that such cut-outs are mostly made for.

    Args:
        pictures: uint8 (..., 4) as red, green, blue, alpha; alpha not premultiplied.

    Returns:
        uint8 (..., 3).
    """
    laid = np.empty((*pictures.shape[:-1], 3), np.uint8)
    for made, rows in zip(laid, pictures):  # at once it would be several pictures of 16 bits
        colour, alpha = rows[..., :3].astype(np.uint16), rows[..., 3:].astype(np.uint16)
        # At most 255 * 255, which uint16 holds; + 127 makes the division round to the nearest.
        made[...] = (colour * alpha + 255 * (255 - alpha) + 127) // 255
    return laid
