"""Algorithm 1 of the canine red cell paper, stage by stage: from a whole smear to single cells.

Smears are uint8 RGB (H, W, 3). A circle is a row (x, y, radius) in pixels, float64.

Where the paper leaves a choice open, this was chosen: the diameter of a cell is the median over those that lie
alone and are round; the expected diameter is that of a large cell, 1.25 medians, since the paper pads all its
cells and shrinks none; waifu2x, a trained super-resolution network, is replaced by Lanczos interpolation; circles
are sought at one diameter whatever the size of the cells that are cut out, so that all sizes hold the same
cells; and cells are cut out of the smear in colour.

Reference:
    Pasupa, Vatathanavaro, Tungjitnob, "Convolutional Neural Networks based Focal Loss for Class Imbalance
    Problem: A Case Study of Canine Red Blood Cells Morphology Classification", arXiv 2001.03329, Algorithm 1.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

DETECTION_DIAMETER = 64  # pixels of a cell's diameter where circles are sought
LARGE_CELL = 1.25  # diameter of a large cell, in medians
MIN_CONTRAST = 12  # grey levels between cells and background
MIN_DIAMETER, MAX_DIAMETER = 8, 0.4  # of a cell: in pixels; as a share of the smear's shorter side
MIN_ROUNDNESS = 0.8  # 4 pi area / perimeter^2, 1 for a circle
MIN_ALONE = 0.1  # share of the foreground that round cells which lie alone must make up to be measured
MIN_TURN, MAX_TURN = (
    0.02,
    1.0,
)  # radians that an edge turns within eight pixels where it is curved and no corner


class SmearError(ValueError):
    """A smear cannot be used; the message is the reason, without the name of the smear."""


@dataclass(frozen=True)
class CircleSearch:
    """Parameters of the search for circles; lengths are shares of a cell's diameter.

    The defaults are those that `experiments/canine_rbc_focal/detection.py` chose on smears of Chula RBC-12.

    Args:
        clip_limit: bound on the gain of contrast of the adaptive equalisation.
        tile: its tiles are this many diameters wide.
        blur: side of the median filter, against the grain inside cells.
        edge: gradient from which a pixel is an edge (upper threshold of Canny).
        votes: edge pixels that must agree on a centre.
        min_radius: of a cell.
        max_radius: of a cell.
        min_distance: between the centres of two cells.
        min_foreground: share of a circle that must be darker than the background.
    """

    clip_limit: float = 2.0
    tile: float = 1.5
    blur: float = 0.08
    edge: float = 60.0
    votes: float = 17.0
    min_radius: float = 0.35
    max_radius: float = 0.7
    min_distance: float = 0.6
    min_foreground: float = 0.5


@dataclass(frozen=True)
class Detection:
    """What each stage made of a smear.

    Args:
        cell_diameter: estimate in pixels of the smear.
        upscaled: uint8 (H', W', 3).
        equalised: uint8 (H', W').
        mask: uint8 (H', W'), 1 on cells.
        circles: float64 (N, 3) in pixels of the smear.
    """

    cell_diameter: float
    upscaled: np.ndarray
    equalised: np.ndarray
    mask: np.ndarray
    circles: np.ndarray

    @property
    def ratio(self):
        """By how much the smear was enlarged."""
        return DETECTION_DIAMETER / self.cell_diameter


def detect_cells(smear, search=None):
    """Find the cells of a smear: lines 2 to 6 of Algorithm 1.

    Args:
        smear: uint8 (H, W, 3), RGB.
        search: `CircleSearch`; None for the default.

    Returns:
        `Detection`.

    Raises:
        SmearError: The smear shows no cells, or is colour-inverted.
    """
    search = search or CircleSearch()
    prepared = prepare_smear(smear, search)
    circles = search_circles(prepared, search)
    if not len(circles):
        raise SmearError("no circles found")
    return replace(prepared, circles=circles)


def prepare_smear(smear, search):
    """Take a smear up to the search, lines 2 to 5 of Algorithm 1; returns a `Detection` without circles.

    Raises:
        SmearError: as in `detect_cells`.
    """
    diameter = estimate_cell_diameter(smear)
    upscaled = upscale(smear, DETECTION_DIAMETER / diameter)
    equalised = equalise(cv2.cvtColor(upscaled, cv2.COLOR_RGB2GRAY), search)
    return Detection(diameter, upscaled, equalised, foreground(upscaled), np.zeros((0, 3)))


def search_circles(detection, search):
    """Return the circles that a search finds in an equalised smear, float64 (N, 3) in pixels of the smear."""
    circles = find_circles(detection.equalised, search)
    return on_foreground(circles, detection.mask, search.min_foreground) / detection.ratio


def foreground(smear):
    """Tell cells from background by Otsu's threshold in the green channel, which haemoglobin absorbs most.

    Returns:
        uint8 (H, W), 1 on cells, their pale middles included.

    Raises:
        SmearError: There is no contrast.
    """
    dark = dark_parts(smear)
    outlines, _ = cv2.findContours(dark, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros(dark.shape, np.uint8), outlines, -1, 1, cv2.FILLED)
    return cv2.morphologyEx(filled, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))


def dark_parts(smear):
    """Return the mask of the dark class of the green channel, as it is, uint8 (H, W).

    Raises:
        SmearError: There is no contrast.
    """
    green = cv2.medianBlur(np.ascontiguousarray(smear[..., 1]), 5)
    threshold, _ = cv2.threshold(green, 0, 255, cv2.THRESH_OTSU)
    dark = green <= threshold
    if dark.all() or not dark.any() or green[~dark].mean() - green[dark].mean() < MIN_CONTRAST:
        raise SmearError("no cells: nothing stands out from the background")
    return dark.astype(np.uint8)


def round_diameters(mask):
    """Return the diameters of the round patches of a mask that do not touch its border, float64 (P,)."""
    height, width = mask.shape
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    diameters = []
    for outline in outlines:
        x, y, w, h = cv2.boundingRect(outline)
        area, perimeter = cv2.contourArea(outline), cv2.arcLength(outline, True)
        whole = x > 0 and y > 0 and x + w < width and y + h < height
        if whole and area and 4 * np.pi * area / perimeter**2 >= MIN_ROUNDNESS:
            diameters.append(2 * np.sqrt(area / np.pi))
    diameters = np.array(diameters, np.float64)
    return diameters[(diameters >= MIN_DIAMETER) & (diameters <= MAX_DIAMETER * min(height, width))]


def estimate_cell_diameter(smear):
    """Estimate the diameter of a cell: the median over the cells that lie alone and are round.

    Where most cells touch, it is the median over the widest places of what is dark.

    Args:
        smear: uint8 (H, W, 3), RGB.

    Returns:
        float, in pixels.

    Raises:
        SmearError: There are none, or the smear is colour-inverted: bright cells on a dark background.
    """
    dark, mask = dark_parts(smear), foreground(smear)
    alone = round_diameters(mask)
    if (bulging := dark_bulges(_finer(smear))) < 0.5:
        raise SmearError(
            f"colour-inverted: {1 - bulging:.0%} of the edges bulge out of what is bright, as those of bright cells "
            "on a dark background do; dark cells on a bright background expected, and gaps between them"
        )
    if (np.pi * alone**2 / 4).sum() < MIN_ALONE * mask.sum():
        alone = widest_diameters(dark)
    if not len(alone):
        raise SmearError("no cells: nothing round stands out from the background")
    return float(np.median(alone))


def _finer(smear):
    """Return the dark parts of a smear, of twice the size where it is small: gaps between cells are a few pixels."""
    return dark_parts(upscale(smear, 2) if smear.shape[0] * smear.shape[1] <= 2**22 else smear)


def dark_bulges(dark):
    """Return at which share of its curved edge a mask bulges outwards, 0..1; 1 where there is no edge.

    Cells bulge. Between cells that touch, the background is left as patches, as many as there are cells in another
    smear, but bent inwards.

    Args:
        dark: uint8 (H, W), 1 or 0.
    """
    outlines, _ = cv2.findContours(dark, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    turns = np.concatenate([_turns(outline, dark.shape) for outline in outlines] or [np.zeros(0)])
    return float((turns > 0).mean()) if len(turns) else 1.0


def widest_diameters(dark):
    """Return twice the distance to the edge where it is largest, float64 (P,): the diameters of cells that touch.

    Args:
        dark: uint8 (H, W), 1 or 0; holes that are cells' pale middles, and not gaps between cells, are filled.
    """
    outlines, levels = cv2.findContours(dark, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    filled = dark.copy()
    for outline, (_, _, _, parent) in zip(outlines, levels[0] if outlines else [], strict=True):
        turns = _turns(outline, dark.shape)
        if parent >= 0 and len(turns) and (turns < 0).mean() > 0.75:
            cv2.drawContours(filled, [outline], -1, 1, cv2.FILLED)
    distances = cv2.distanceTransform(filled, cv2.DIST_L2, 5)
    inside = distances[distances > 0]
    if not len(inside):
        return inside.astype(np.float64)
    reach = max(3, int(np.percentile(inside, 95)) // 2 * 2 + 1)
    peaks = distances == cv2.dilate(distances, np.ones((reach, reach)))
    return 2 * distances[peaks & (distances >= MIN_DIAMETER / 2)].astype(np.float64)


def _turns(outline, shape, step=6):
    """Return by how much an outline turns about each of its points, positive where the mask bulges outwards.

    Straight pieces, corners and what runs along the border of the image are left out.
    """
    points = outline[:, 0].astype(np.float64)
    if len(points) < 4 * step:
        return np.zeros(0)
    around = np.concatenate([points[-2:], points, points[:2]])
    smooth = sum(around[shift : shift + len(points)] for shift in range(5)) / 5
    before, after = smooth - np.roll(smooth, step, 0), np.roll(smooth, -step, 0) - smooth
    turns = np.arctan2(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0], (before * after).sum(axis=1))
    inner = ((points > 2) & (points < np.array(shape[::-1]) - 3)).all(axis=1)
    # OpenCV follows an outer edge against the clock, as the image is seen, and a hole the other way round.
    return -turns[inner & (np.abs(turns) > MIN_TURN) & (np.abs(turns) < MAX_TURN)]


def upscale(smear, ratio):
    """Enlarge by Lanczos interpolation, or shrink by averaging: uint8 (H, W, 3) -> uint8 (H', W', 3)."""
    kind = cv2.INTER_LANCZOS4 if ratio >= 1 else cv2.INTER_AREA
    size = [max(1, round(side * ratio)) for side in smear.shape[1::-1]]
    return cv2.resize(smear, size, interpolation=kind)


def equalise(grey, search):
    """Raise the contrast of cells against the background (CLAHE): uint8 (H, W) -> same.

    Args:
        grey: uint8 (H, W), a cell `DETECTION_DIAMETER` wide.
        search: `CircleSearch`.
    """
    side = search.tile * DETECTION_DIAMETER
    tiles = [max(1, round(length / side)) for length in grey.shape[::-1]]
    return cv2.createCLAHE(search.clip_limit, tiles).apply(grey)


def find_circles(equalised, search):
    """Find circles with the Hough transform: uint8 (H, W) -> float64 (N, 3), best first."""
    diameter = DETECTION_DIAMETER
    smooth = cv2.medianBlur(equalised, 2 * round(search.blur * diameter / 2) + 1)
    circles = cv2.HoughCircles(
        smooth,
        cv2.HOUGH_GRADIENT,
        dp=1,
        minDist=search.min_distance * diameter,
        param1=search.edge,
        param2=search.votes,
        minRadius=round(search.min_radius * diameter),
        maxRadius=round(search.max_radius * diameter),
    )
    return np.zeros((0, 3)) if circles is None else circles.reshape(-1, 3).astype(np.float64)


def on_foreground(circles, mask, min_share):
    """Keep the circles that the foreground fills at least to this share, within the image."""
    shares = np.array([_covered_share(circle, mask) for circle in circles])
    return circles[shares >= min_share] if len(circles) else circles


def _covered_share(circle, mask):
    """Return how much of a circle, as far as it lies in the image, the mask covers, 0..1."""
    x, y, radius = circle
    top, left = max(0, int(y - radius)), max(0, int(x - radius))
    part = mask[top : int(y + radius) + 1, left : int(x + radius) + 1]
    rows, columns = np.ogrid[: part.shape[0], : part.shape[1]]
    disc = (columns + left - x) ** 2 + (rows + top - y) ** 2 <= radius**2
    return part[disc].mean() if disc.any() else 0.0


def cut_cell(image, circle):
    """Cut out the square about a circle (line 8 of Algorithm 1); what lies beyond the image is zero.

    Args:
        image: uint8 (H, W, 3).
        circle: (x, y, radius) in its pixels.

    Returns:
        uint8 (S, S, 3), S the diameter, rounded and at least 1.
    """
    x, y, radius = circle
    side = max(1, round(2 * radius))
    top, left = round(y - side / 2), round(x - side / 2)
    cell = np.zeros((side, side, image.shape[2]), np.uint8)
    inside = image[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)]
    row, column = max(0, -top), max(0, -left)
    cell[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    return cell


def zero_pad(cell, size):
    """Put a cell in the middle of a black square (lines 9 to 13 of Algorithm 1).

    A cell that is larger than the square, on which the paper is silent, is shrunk to fit.

    Args:
        cell: uint8 (H, W, 3).
        size: side of the square in pixels.

    Returns:
        uint8 (size, size, 3).
    """
    longer = max(cell.shape[:2])
    if longer > size:
        shape = [max(1, round(side * size / longer)) for side in cell.shape[1::-1]]
        cell = cv2.resize(cell, shape, interpolation=cv2.INTER_AREA)
    height, width = cell.shape[:2]
    top, left = (size - height) // 2, (size - width) // 2
    padded = np.zeros((size, size, cell.shape[2]), np.uint8)
    padded[top : top + height, left : left + width] = cell
    return padded


def match_centres(circles, centres, reach):
    """Give circles their labelled centres, one to one, the nearest pair first.

    Args:
        circles: float64 (N, 3).
        centres: float64 (L, 2).
        reach: how far from the middle of a circle a centre may lie, in its radii.

    Returns:
        int64 (N,), the row in `centres`, -1 where none is near enough.
    """
    matched = np.full(len(circles), -1, np.int64)
    distances = centre_distances(circles, centres)
    near = np.argwhere(distances <= reach)
    taken = np.zeros(len(centres), bool)
    for row, column in near[np.argsort(distances[tuple(near.T)], kind="stable")]:
        if matched[row] < 0 and not taken[column]:
            matched[row], taken[column] = column, True
    return matched


def centre_distances(circles, centres):
    """Return how far every centre lies from the middle of every circle, in its radii, float64 (N, L)."""
    offsets = circles[:, None, :2] - centres[None]
    return np.hypot(offsets[..., 0], offsets[..., 1]) / circles[:, 2:]
