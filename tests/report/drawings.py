"""What a test asks of a figure."""

import cv2
import pytest
from matplotlib.text import Text


def words(canvas):
    """Return all text on a canvas."""
    return [artist.get_text() for artist in canvas.findobj(Text) if artist.get_text()]


def check(figure, canvas, *expected):
    """Check that the PNG opens, has 150 dpi, leaves no temporary file, and shows the expected text."""
    image = cv2.imread(str(figure.path))
    # The canvas may round its size to whole pixels.
    assert image.shape[1::-1] == pytest.approx(150 * canvas.get_size_inches(), abs=1)
    assert image.std() > 5
    assert not list(figure.path.parent.glob(".*"))
    assert figure.alt
    for text in expected:
        assert text in words(canvas), f"{text!r} not in {words(canvas)}"
