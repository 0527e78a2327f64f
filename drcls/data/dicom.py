"""DICOM: one photograph, colour or grey, read in bounded time and shown as its header says.

Grey values go through pydicom's modality LUT (or rescale) and VOI LUT (or window); the output range of these, not
that of the pixels, becomes 0..255.
"""

import io
import struct

import numpy as np
from PIL import Image

from drcls.data.image_files import ImageFileError, check_size, damaged, decode_file, read_header

# A photograph's file takes some hundred reads; every element and every item takes one or more.
MAX_READS = 20_000
MAX_ITEMS = 1_000
MAX_VALUE, MAX_LUT = 2**10, 200_000
GREY = ("MONOCHROME1", "MONOCHROME2")
# pydicom turns these into RGB; others would be shown as if they were.
COLOURS, JPEG_2000_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422"), ("RGB", "YBR_ICT", "YBR_RCT", "YBR_FULL")
LUTS = ("ModalityLUTSequence", "VOILUTSequence")
ELEMENTS = (
    "SpecificCharacterSet", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames",
    "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "WindowCenter", "WindowWidth", "VOILUTFunction", "RescaleIntercept", "RescaleSlope",
    "LossyImageCompression", "ExtendedOffsetTable", "ExtendedOffsetTableLengths", *LUTS, "PixelData",
)  # fmt: skip
PIXEL_DATA = 0x7FE00010
# Elements that some devices write without a value, which says no more than leaving them out.
MAY_BE_EMPTY = ("WindowCenter", "WindowWidth", "RescaleIntercept", "RescaleSlope")
BLOCK = 2**20  # pixels


class CountedReads(io.BytesIO):
    """A file in memory that refuses to be read in too many pieces.

    Millions of empty elements fit into a file, and pydicom takes microseconds for each.
    """

    num_reads = 0

    def read(self, *args):
        self.num_reads += 1
        if self.num_reads > MAX_READS:
            raise ImageFileError(f"a DICOM file of more than {MAX_READS} elements and items")
        return super().read(*args)


def begins(data):
    """Return whether the bytes begin as a DICOM file does."""
    return data[128:132] == b"DICM"


def open_dicom(data, min_side, max_pixels):
    """Read what a DICOM file says of its photograph; nothing of it is decompressed.

    Args:
        data: bytes.
        min_side: int, least width and height.
        max_pixels: int, most pixels.

    Returns:
        `pydicom.Dataset`, for `decode_dicom`.

    Raises:
        ImageFileError: on anything but one plain photograph, or a file that would take too long or grow too large.
    """
    return _refusing_damage(_open, data, min_side, max_pixels)


def recorded_eye(data):
    """Return the eye that a DICOM file says it shows: "left", "right", or None where it names neither.

    Only its header is read, up to the laterality.

    Args:
        data: bytes, of a file that `open_dicom` takes.

    Raises:
        ImageFileError: where the header is damaged.
    """
    return _refusing_damage(_read_eye, data)


def decode_dicom(dataset):
    """Decode what `open_dicom` returned: uint8 (H, W, 3), RGB; grey images have three equal channels.

    Raises:
        ImageFileError: where the pixels are damaged or not those that the header announces.
    """
    return _refusing_damage(_decode, dataset)


def _refusing_damage(read, *args):
    try:
        import pydicom  # the extra `dicom`
    except ImportError as error:
        raise ImageFileError("DICOM files are not read here: pydicom is not installed") from error
    # Its warnings quote what is in the file, names of patients among it.
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    try:
        return read(*args)
    except ImageFileError:
        raise
    # What pydicom raises on damaged files is any of these.
    except (
        pydicom.errors.InvalidDicomError,
        pydicom.errors.BytesLengthException,
        Image.DecompressionBombError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        ArithmeticError,
        OSError,
        RuntimeError,
        EOFError,
        struct.error,
    ) as error:
        raise ImageFileError(
            f"the DICOM file holds no photograph that can be read: {str(error)[:200]}"
        ) from error


def _open(data, min_side, max_pixels):
    from pydicom import datadict, uid
    from pydicom.filereader import read_dataset, read_partial

    # A deflated data set is inflated whole, whatever its size, before its first element can be read.
    meta = read_dataset(CountedReads(data[132:]), False, True, stop_when=lambda tag, *_: tag.group != 2)
    plain = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)
    syntax = uid.UID(meta.get("TransferSyntaxUID", ""))
    if syntax not in (*plain, uid.JPEGBaseline8Bit, uid.JPEG2000, uid.JPEG2000Lossless):
        raise ImageFileError(
            f"the DICOM file is of transfer syntax {syntax.name[:80]!r}; uncompressed, JPEG or JPEG 2000 is expected"
        )
    wanted = [datadict.tag_for_keyword(name) for name in ELEMENTS]
    dataset = read_partial(
        CountedReads(data), stop_when=lambda tag, *_: tag > PIXEL_DATA, specific_tags=wanted
    )
    _check_lengths(dataset)
    for name in MAY_BE_EMPTY:
        if name in dataset and dataset[name].is_empty:
            delattr(dataset, name)
    _check_kind(dataset, syntax)
    check_size(int(dataset.Columns), int(dataset.Rows), min_side, max_pixels)
    if syntax in plain:
        _check_plain_pixels(dataset)
    else:
        _check_frame(dataset, syntax)
    return dataset


def _read_eye(data):
    from pydicom import datadict
    from pydicom.filereader import read_partial

    # Where both stand there, the laterality of the image counts, not that of the series (DICOM PS3.3, C.7.3.1.1.1).
    image, series = (datadict.tag_for_keyword(name) for name in ("ImageLaterality", "Laterality"))
    wanted = [datadict.tag_for_keyword("SpecificCharacterSet"), series, image]
    dataset = read_partial(CountedReads(data), stop_when=lambda tag, *_: tag > image, specific_tags=wanted)
    _check_lengths(dataset)
    side = dataset.get("ImageLaterality") or dataset.get("Laterality")
    return {"L": "left", "R": "right"}.get(str(side))


def _check_lengths(dataset):
    """Bound what would be taken apart at its first use."""
    from pydicom import datadict

    for tag in dataset.keys():  # noqa: SIM118 - iterating over the data set itself would take the values apart
        element, name = dataset.get_item(tag), datadict.keyword_for_tag(tag)
        length = getattr(element, "length", 0)  # a sequence that is taken apart already has none
        if name != "PixelData" and length > (MAX_LUT if name in LUTS else MAX_VALUE):
            raise ImageFileError(f"the DICOM element {name} has {length} bytes, which take too long to read")


def _check_kind(dataset, syntax):
    from pydicom import uid

    if int(dataset.get("NumberOfFrames") or 1) != 1:
        raise ImageFileError("the DICOM file holds several frames; one photograph is expected")
    samples, bits, colours = dataset.SamplesPerPixel, dataset.BitsAllocated, dataset.PhotometricInterpretation
    if samples not in (1, 3) or bits not in (8, 16) or (samples == 3 and bits != 8):
        raise ImageFileError(
            f"the DICOM file holds {samples} samples of {bits} bits a pixel; 1 of 8 or 16, or 3 of 8 are expected"
        )
    known = GREY if samples == 1 else COLOURS
    if samples == 3 and syntax in (uid.JPEG2000, uid.JPEG2000Lossless):
        known = JPEG_2000_COLOURS
    if colours not in known:
        raise ImageFileError(
            f"the DICOM file's colours are {colours[:40]}; one of {', '.join(known)} is expected"
        )
    stored, signed = dataset.BitsStored, dataset.PixelRepresentation
    if dataset.HighBit != stored - 1 or (samples == 3 and (stored != 8 or signed)):
        raise ImageFileError(
            f"the DICOM file's pixels are {'signed ' if signed else ''}{stored} bits up to bit {dataset.HighBit}; the "
            "lowest bits, and 8 without sign in colour, are expected"
        )
    for name in MAY_BE_EMPTY:
        numbers = np.atleast_1d(np.array(dataset.get(name, 1), np.float64))
        if not np.isfinite(numbers).all() or (name == "RescaleSlope" and not numbers.all()):
            raise ImageFileError(
                f"the DICOM element {name} is {numbers.tolist()}, which makes no grey values"
            )


def _check_plain_pixels(dataset):
    # Two pixels of YBR_FULL_422 share their colours.
    samples = 2 if dataset.PhotometricInterpretation == "YBR_FULL_422" else dataset.SamplesPerPixel
    expected = dataset.Rows * dataset.Columns * samples * dataset.BitsAllocated // 8
    if len(dataset.PixelData) not in (expected, expected + expected % 2):
        raise damaged(f"a DICOM file of {len(dataset.PixelData)} bytes of pixels, {expected} expected")


def _check_frame(dataset, syntax):
    """Hold the picture inside against the data set, whose size says nothing of it."""
    from pydicom import uid
    from pydicom.encaps import get_frame

    if dataset.PixelData.count(b"\xfe\xff\x00\xe0") > MAX_ITEMS:
        raise ImageFileError(f"a DICOM photograph in more than {MAX_ITEMS} fragments")
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    pixels = dataset.Rows * dataset.Columns
    if syntax == uid.JPEGBaseline8Bit:
        header = read_header(frame, ["JPEG"], max_pixels=pixels)
        size = header.width, header.height
    else:
        size, precisions = _read_jpeg2000(frame)
        _check_precision(dataset, precisions)
    if size != (dataset.Columns, dataset.Rows):
        raise damaged(
            f"a picture of {size[0]} x {size[1]} pixels, {dataset.Columns} x {dataset.Rows} announced"
        )


def _read_jpeg2000(frame):
    """Read the SIZ segment of a JPEG 2000 codestream (ISO/IEC 15444-1, A.5.1).

    Returns:
        (width, height), and for each component its bytes `Ssiz`: the bits less one, and the sign in the highest bit.
    """
    start = frame.find(b"\xff\x4f\xff\x51")
    if start < 0 or len(frame) < start + 42:
        raise damaged("no JPEG 2000 picture inside")
    right, bottom, left, top, tile_width, tile_height = struct.unpack_from(">6I", frame, start + 8)
    width, height = right - left, bottom - top
    if min(tile_width, tile_height) < min(width, height, 64):
        raise ImageFileError(
            f"JPEG 2000 tiles of {tile_width} x {tile_height}, which take too long to decode"
        )
    (num_components,) = struct.unpack_from(">H", frame, start + 40)
    precisions = frame[start + 42 : start + 42 + 3 * num_components : 3]
    if not num_components or len(precisions) != num_components:
        raise damaged(f"JPEG 2000 of {num_components} components, {len(precisions)} described")
    return (width, height), precisions


def _check_precision(dataset, precisions):
    """Hold the bits inside against the header: values of 12 bits taken for 16 would be shown too dark."""
    found = {((precision & 0x7F) + 1, precision >> 7) for precision in precisions}
    expected = (int(dataset.BitsStored), int(dataset.PixelRepresentation))
    if found != {expected}:
        inside = ", ".join(
            f"{bits} bits {'with' if signed else 'without'} sign" for bits, signed in sorted(found)
        )
        raise ImageFileError(
            f"the JPEG 2000 picture has {inside[:200]}; the DICOM header announces {expected[0]} bits "
            f"{'with' if expected[1] else 'without'} sign"
        )


def _decode(dataset):
    from pydicom import uid
    from pydicom.encaps import get_frame
    from pydicom.pixels import pixel_array

    if dataset.file_meta.TransferSyntaxUID == uid.JPEGBaseline8Bit:
        # Pillow, by which pydicom decodes, fills what is missing with grey.
        decode_file(get_frame(dataset.PixelData, 0, number_of_frames=1), ["JPEG"])
    # pydicom turns YBR into RGB itself.
    pixels = pixel_array(dataset)
    if pixels.ndim == 2:
        return np.repeat(_shown(pixels, dataset)[..., None], 3, axis=2)
    return np.ascontiguousarray(pixels)


def _shown(pixels, dataset):
    """Return stored grey values as they are to be shown: (H, W) -> uint8 (H, W), padding black.

    A few rows at a time: pydicom works on 64-bit numbers and makes several copies.
    """
    rows = max(1, BLOCK // pixels.shape[1])
    blocks = [pixels[start : start + rows] for start in range(0, len(pixels), rows)]
    lowest, highest = _range(blocks, dataset)
    return np.concatenate([_shown_block(block, dataset, lowest, highest) for block in blocks])


def _shown_block(pixels, dataset, lowest, highest):
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    values = apply_modality_lut(pixels, dataset)
    if _has_voi(dataset):
        values = apply_voi_lut(values, dataset)
    share = (values.astype(np.float64) - lowest) / ((highest - lowest) or 1)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        share = 1 - share
    shown = np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)
    shown[_padding(pixels, dataset)] = 0
    return shown


def _range(blocks, dataset):
    """Return the values that mean black and white."""
    from pydicom.pixels import apply_modality_lut

    if dataset.get("VOILUTSequence"):
        return 0, 2 ** dataset.VOILUTSequence[0].LUTDescriptor[2] - 1
    if _has_voi(dataset):  # with a falling rescale the greater value is that of black, as the window gives it
        return _modality_range(dataset)
    if dataset.BitsStored <= 8:
        return sorted(_modality_range(dataset))
    # No header says which of the 65,536 values mean dark and bright: those that are there do.
    limits = []
    for block in blocks:
        values = apply_modality_lut(block, dataset)[~_padding(block, dataset)]
        limits += [float(values.min()), float(values.max())] if values.size else []
    return (min(limits), max(limits)) if limits else (0, 1)


def _has_voi(dataset):
    return bool(dataset.get("VOILUTSequence")) or ("WindowCenter" in dataset and "WindowWidth" in dataset)


def _padding(pixels, dataset):
    """Find the pixels that are no image (DICOM PS3.3, C.7.5.1.1.2): bool (H, W)."""
    if "PixelPaddingValue" not in dataset:
        return np.zeros(pixels.shape, bool)
    limits = [dataset.PixelPaddingValue, dataset.get("PixelPaddingRangeLimit", dataset.PixelPaddingValue)]
    # The two may be written as signed where the pixels are not, and the other way round.
    limits = np.array([int(limit) & 0xFFFF for limit in limits], np.uint16)
    if dataset.PixelRepresentation == 1:
        limits = limits.astype(np.int16)
    return (pixels >= limits.min()) & (pixels <= limits.max())


def _modality_range(dataset):
    """Return the values of the least and the greatest stored one after the modality LUT, as `apply_windowing` has them.

    With a negative RescaleSlope the first is the greater.
    """
    if dataset.get("ModalityLUTSequence"):
        return 0, 2 ** dataset.ModalityLUTSequence[0].LUTDescriptor[2] - 1
    lowest, highest = 0, 2**dataset.BitsStored - 1
    if dataset.PixelRepresentation == 1:
        lowest, highest = -(2 ** (dataset.BitsStored - 1)), 2 ** (dataset.BitsStored - 1) - 1
    if "RescaleSlope" in dataset and "RescaleIntercept" in dataset:
        slope, intercept = float(dataset.RescaleSlope), float(dataset.RescaleIntercept)
        lowest, highest = lowest * slope + intercept, highest * slope + intercept
    return lowest, highest
