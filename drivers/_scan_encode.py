"""Turn the pixels of a page into a document: JPEG, PNG, or a PDF with one JPEG in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from drivers._scan_pages import with_dpi

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]
else:
    Picture = Any

Format = Literal["jpeg", "png", "pdf"]


def encode(picture: Picture, form: Format, dpi: int, quality: int, *, bilevel: bool = False) -> bytes:
    """Return the document for uint8 pixels (height, width) or (height, width, 3) in BGR; *bilevel*: black or white."""
    import cv2

    if form == "png":
        done, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_BILEVEL, int(bilevel)])
    else:
        done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("the page cannot be encoded")
    if form == "pdf":
        from drivers._picture_pdf import pdf_of_jpeg

        height, width = picture.shape[:2]
        return pdf_of_jpeg(data.tobytes(), width, height, dpi)
    return with_dpi(data.tobytes(), f"image/{form}", dpi)
