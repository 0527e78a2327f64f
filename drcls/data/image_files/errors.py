"""Why an image file is refused."""


class ImageFileError(ValueError):
    """A file is refused; the message is the reason in lower case, without the name of the file."""


def damaged(detail):
    """Return the error for a file whose content does not fit its header."""
    return ImageFileError(f"truncated or damaged: {detail}")


def one_picture_expected(detail):
    """Return the error for a file of several pictures: its first one would be taken silently."""
    return ImageFileError(f"several pictures in one file ({detail}), one expected")


def eight_bits_expected(bits):
    """Return the error for a file of more than 8 bits a channel."""
    return ImageFileError(f"{bits} bits a channel, 8 expected")


def no_alpha_expected():
    """Return the error for a file with transparency, even an opaque one."""
    return ImageFileError("has an alpha channel, RGB or grey expected")


def colours_expected(found):
    """Return the error for a file whose colours are neither RGB nor grey."""
    return ImageFileError(f"colours are {found}, RGB or grey expected")
