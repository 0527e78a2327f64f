"""Small imitations of the distributed layouts, and one file of every kind that must be rejected."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image


def picture(seed, side=48):
    """Return a picture with structure at all scales, uint8 (side, side, 3), unlike that of another seed."""
    rng = np.random.default_rng(seed)
    scales = [rng.normal(0, 160 / n, (n, n, 3)) for n in (4, 8, 16, 32)]
    layers = [cv2.resize(scale, (side, side), interpolation=cv2.INTER_CUBIC) for scale in scales]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


def encode(image, suffix=".png"):
    """Return the bytes of a file that holds `image`."""
    return cv2.imencode(suffix, image[..., ::-1] if image.ndim == 3 else image)[1].tobytes()


def pil_bytes(image, image_format):
    """Return the bytes that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, image_format)
    return buffer.getvalue()


def png_header(width, height):
    """Return a PNG that claims a size and holds nothing."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def bad_files():
    """Return dict, file name -> (bytes, a word of the reason to reject it)."""
    image = picture(900)
    rgb = Image.fromarray(image)
    png, jpeg = encode(image), encode(image, ".jpg")
    deep = image[..., 0].astype(np.uint16) * 257
    return {
        "truncated_png.png": (png[: len(png) // 2], "truncated"),
        "truncated_jpeg.jpg": (jpeg[: len(jpeg) // 2], "truncated"),
        "short_jpeg.jpg": (jpeg[:-20], "truncated"),
        "empty.png": (b"", "empty"),
        "text.png": (b"id_code,diagnosis\n", "not an image"),
        "signature.png": (b"\x89PNG\r\n\x1a\n", "truncated"),
        "half.jpg": (jpeg[: 6 * len(jpeg) // 10] + b"\xff\xd9", "truncated or damaged"),
        "grey_hole.jpg": (
            jpeg[: len(jpeg) // 2] + bytes(400) + jpeg[len(jpeg) // 2 + 400 :],
            "truncated or damaged",
        ),
        "jpeg_inside.png": (jpeg, "wrongly named"),
        "png_inside.jpg": (png, "wrongly named"),
        "gif_inside.png": (pil_bytes(rgb, "GIF"), "not an image of a known format"),
        "cmyk.jpg": (pil_bytes(rgb.convert("CMYK"), "JPEG"), "CMYK"),
        "grey16.png": (encode(deep), "16 bits"),
        "rgb16.png": (cv2.imencode(".png", np.stack([deep] * 3, -1))[1].tobytes(), "16 bits"),
        "alpha.png": (pil_bytes(rgb.convert("RGBA"), "PNG"), "alpha"),
        "grey_alpha.png": (pil_bytes(rgb.convert("LA"), "PNG"), "alpha"),
        "dot.png": (encode(image[:1, :1]), "too small"),
        "strip.png": (encode(image[:2]), "too small"),
        "bomb.png": (png_header(60_000, 60_000), "bomb"),
        "large.png": (png_header(9_000, 9_000), "bomb"),
    }


def write_folder(folder, files):
    """Write dict, name -> bytes, into a folder; return it."""
    for name, data in files.items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return Path(folder)


def write_zip(path, files, method=zipfile.ZIP_STORED):
    """Write dict, name -> bytes, into a zip; return its path."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return Path(path)


def aptos_files(num_images=10, suffix=".png", side=48, filtered=True):
    """Imitate APTOS 2019: grades 0, 1, 2, 3, 4, 0, ...; ids `img000`, ...; return dict, name -> bytes."""
    classes = ["No_DR", "Mild", "Moderate", "Severe", "Proliferate_DR"]
    files, table = {}, "id_code,diagnosis\n"
    for number in range(num_images):
        grade, image_id = number % 5, f"img{number:03d}"
        folder = f"gaussian_filtered_images/{classes[grade]}" if filtered else "train_images"
        files[f"{folder}/{image_id}{suffix}"] = encode(picture(number, side), suffix)
        table += f"{image_id},{grade}\n"
    return files | {"train.csv": table.encode()}
