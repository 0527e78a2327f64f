"""The audit of a data set as one HTML page, with the images of every pair side by side."""

import base64
from pathlib import Path

import cv2
from markupsafe import Markup

from drcls.data.audit import KINDS, describe_audit
from drcls.data.image_ops import read_image
from drcls.files import write_text
from drcls.report.page import TEMPLATES

PAIRS_SHOWN = 48  # of each kind, contradictions first
SIDE = 160  # pixels of an image


def write_audit_page(result, path, manifest, against=None):
    """Write an audit as a page that holds its images and style itself, loads nothing and runs no script.

    Args:
        result: what `drcls.data.audit.audit` returned.
        path: the HTML file to write.
        manifest: `Manifest` that was audited, whose images are shown.
        against: `Manifest` that it was audited against, or None.

    Returns:
        `Path` of the page.

    Raises:
        OSError: where an image of a pair is missing.
    """
    data = result["data"]
    sections = [_pairs(result["pairs"][kind], kind, manifest, manifest) for kind in KINDS]
    if result["against"] is not None:
        other = result["against"]["data"]["title"]
        sections += [
            _pairs(result["against"]["pairs"][kind], f"{kind}, in {other}", manifest, against)
            for kind in KINDS
        ]
    synthetic = data["phantom"] or (result["against"] is not None and result["against"]["data"]["phantom"])
    page = TEMPLATES.get_template("audit.html").render(
        title=f"Audit of {data['title']}",
        warning="Synthetic images: drawn, not photographed." if synthetic else "",
        data=data,
        rare={rare["class"]: rare["reason"] for rare in result["rare_classes"]},
        summary=describe_audit(result),
        sections=sections,
    )
    write_text(Path(path), page)
    return Path(path)


def _pairs(found, kind, first, second):
    """Return what the template shows of one kind of pairs."""
    shown = [
        {
            "images": [
                {**pair[side], "picture": _picture(manifest.root / pair[side]["path"])}
                for side, manifest in (("first", first), ("second", second))
            ],
            "conflict": pair["first"]["label"] != pair["second"]["label"],
            "note": pair.get("orientation")
            or (f"{pair['distance']} bits apart" if "distance" in pair else ""),
        }
        for pair in found["listed"][:PAIRS_SHOWN]
    ]
    return {"heading": kind, "counts": found, "shown": shown}


def _picture(path):
    """Return an image, made small, as a data URI."""
    image = read_image(path)
    scale = SIDE / max(image.shape[:2])
    size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    encoded = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    return Markup(f"data:image/jpeg;base64,{base64.b64encode(encoded).decode()}")
