"""Random geometric and photometric augmentation of one image on the host.

The argument names and their meanings are those of Keras' `ImageDataGenerator` (deprecated, now
`tf.keras.preprocessing.image.ImageDataGenerator`), which is what published training policies quote. Its
rotation, shift, shear, zoom and flips are composed into ONE affine matrix here, so that an image is
interpolated once, by OpenCV, for all channels together.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil, cos, floor, radians, sin
from numbers import Integral, Real

import cv2
import numpy as np

# The names are SciPy's. OpenCV's replicate and reflect are the same functions; "constant" and "wrap" differ
# from OpenCV's borders of those names and are finished by hand in `_warp`.
FILL_MODES = ("nearest", "constant", "reflect", "wrap")

# The parameters that leave an image as it is; the keys are those of ImageDataGenerator.get_random_transform.
NO_CHANGE = {
    "theta": 0,
    "tx": 0,
    "ty": 0,
    "shear": 0,
    "zx": 1,
    "zy": 1,
    "flip_horizontal": False,
    "flip_vertical": False,
    "channel_shift_intensity": None,
    "brightness": None,
}


@dataclass
class Augmenter:
    """Draws random transforms with ImageDataGenerator's arguments and applies them to one image.

    `augmenter(image, rng)` draws and applies; `draw` and `apply` do the two halves. All the randomness comes
    from the `rng` of the call: the object itself never changes, so threads may share it.

    Given the same draw, a float32 image comes out as ImageDataGenerator makes it (where the image is not
    square, under `legacy=True`) to within 0.05 of 255. Measured at 224 px on the worst content, a
    checkerboard of single pixels, 300 draws for each fill mode: at most 0.014 with rotation 40, shifts and
    zoom 0.2; at most 0.039 with rotation 180, shifts 0.9, shear 60, zoom 0.1 to 4. OpenCV computes places in
    float32, so the difference grows with the side: 0.16 at 1024 px with the second kind of draws. Two
    exceptions: OpenCV 4 rounds places to 1/32 pixel and differs by up to 7; and "constant" and "wrap" jump at
    the edge, so that a place which falls on it to within rounding (by a quarter turn, say) may take the value of
    either side. uint8 images are rounded to the nearest level.

    Args:
        rotation_range: degrees; the angle is drawn from [-rotation_range, rotation_range].
        width_shift_range: shift along the width. A float below 1 is a fraction of the width, a float from 1
            on a number of pixels, both drawn uniformly from [-range, range]. An int n picks whole pixels
            from -(n - 1) to n - 1. A sequence picks one of its elements (pixels, or fractions of the width
            when all are below 1) with a random sign.
        height_shift_range: the same along the height.
        shear_range: shear angle in DEGREES, drawn from [-shear_range, shear_range]. The y axis is turned by
            that angle and keeps its length: (x, y) reads (x - sin(s) y, cos(s) y). A policy that quotes 0.2,
            as papers do, shears by a fifth of a degree (at most 0.4 px at the edge of a 224 px image): as
            good as no shear. The same in both values of `legacy`.
        zoom_range: z, meaning [1 - z, 1 + z], or a pair [lower, upper]. The two axes are zoomed by
            independent draws. A factor below 1 enlarges the image.
        horizontal_flip: mirror left and right in half of the draws.
        vertical_flip: mirror top and bottom in half of the draws.
        brightness_range: None, or a pair of factors. Pixels are multiplied by the drawn factor and cut
            at 255.
        channel_shift_range: a number of grey levels; one draw from [-range, range] is added to all channels,
            and the result is clipped to the minimum and maximum the image had.
        fill_mode: what lies beyond the edges: "nearest" (the edge pixel), "constant" (`cval`), "reflect"
            (mirrored, d c b a | a b c d | d c b a) or "wrap" (SciPy's, whose period is one pixel shorter than
            the image: the first and last pixel count as the same place).
        cval: value beyond the edges for fill_mode "constant".
        rescale: None, or a factor on the augmented image; the output is then float32. As in Keras it
            belongs to the call, not to `apply`.
        gaussian_noise: largest standard deviation, in grey levels, of Gaussian noise added last; it is drawn
            anew for each image from [0, gaussian_noise]. Not one of ImageDataGenerator's arguments; it belongs
            to the call, not to `apply`.
        legacy: reproduce the oddities of ImageDataGenerator: `width_shift_range` moves the image vertically
            and `height_shift_range` horizontally; the centre of an image that is not square has its
            coordinates swapped, so that rotation and zoom are about x = (height - 1) / 2 and
            y = (width - 1) / 2; brightness truncates float images to whole grey levels.

    Raises:
        ValueError: an argument is outside its range.
    """

    rotation_range: float = 0
    width_shift_range: float | Sequence[float] = 0.0
    height_shift_range: float | Sequence[float] = 0.0
    shear_range: float = 0.0
    zoom_range: float | Sequence[float] = 0.0
    horizontal_flip: bool = False
    vertical_flip: bool = False
    brightness_range: Sequence[float] | None = None
    channel_shift_range: float = 0.0
    fill_mode: str = "nearest"
    cval: float = 0.0
    rescale: float | None = None
    legacy: bool = False
    gaussian_noise: float = 0.0

    def __post_init__(self):
        for name in ("rotation_range", "shear_range", "channel_shift_range", "gaussian_noise"):
            setattr(self, name, _range(name, getattr(self, name)))
        for name in ("width_shift_range", "height_shift_range"):
            value = getattr(self, name)
            setattr(self, name, (_range if isinstance(value, Real) else _numbers)(name, value))
        self.zoom_range = _zoom(self.zoom_range)
        if self.brightness_range is not None:
            self.brightness_range = _pair("brightness_range", self.brightness_range)
        if self.fill_mode not in FILL_MODES:
            raise ValueError(f"fill_mode must be one of {', '.join(FILL_MODES)}; received {self.fill_mode!r}")
        if not (isinstance(self.cval, Real) and 0 <= self.cval <= 255):
            raise ValueError(f"cval must be a number in 0..255; received {self.cval!r}")
        if self.rescale is not None and not (isinstance(self.rescale, Real) and 0 < self.rescale < np.inf):
            raise ValueError(f"rescale must be None or a finite number above 0; received {self.rescale!r}")

    @property
    def config(self):
        """The arguments as a dict that JSON can hold; `Augmenter(**config)` is the same augmenter."""
        return asdict(self)

    def __call__(self, image, rng):
        """Return a randomly transformed copy of one image.

        Args:
            image: (height, width, 3) uint8, or floating point in 0..255.
            rng: numpy.random.Generator.

        Returns:
            An array of the same shape: uint8 for uint8, float32 for floating point or with `rescale`.

        Raises:
            ValueError: the image has another shape or dtype.
        """
        image = _checked(image)
        image = self.apply(image, self.draw(image.shape, rng))
        if self.gaussian_noise:
            image = _add_noise(image, self.gaussian_noise, rng)
        return image if self.rescale is None else image * np.float32(self.rescale)

    def draw(self, shape, rng):
        """Draw the parameters of one transform.

        Args:
            shape: shape of the image, (height, width, ...).
            rng: numpy.random.Generator. A RandomState seeded like NumPy's global generator gives, with
                `legacy=True`, the very draw of `ImageDataGenerator.get_random_transform`.

        Returns:
            A dict with the keys of `ImageDataGenerator.get_random_transform`: theta and shear in degrees; tx
            and ty in pixels, added to the place that is read (so the image moves left and up); zx and zy
            factors; flip_horizontal and flip_vertical bool; channel_shift_intensity and brightness, or None.
        """
        if not isinstance(rng, np.random.Generator | np.random.RandomState):
            raise TypeError(f"rng must be a numpy.random.Generator; received {rng!r}")
        height, width = shape[:2]
        along_x, along_y = (self.width_shift_range, width), (self.height_shift_range, height)
        if self.legacy:
            along_x, along_y = along_y, along_x
        # The order of the draws is ImageDataGenerator's, so that one seed gives one transform in both.
        drawn = {
            "theta": _symmetric(self.rotation_range, rng),
            "tx": _shift(*along_x, rng),
            "ty": _shift(*along_y, rng),
            "shear": _symmetric(self.shear_range, rng),
        }
        if self.zoom_range != [1, 1]:
            drawn["zx"], drawn["zy"] = rng.uniform(*self.zoom_range, 2)
        drawn["flip_horizontal"] = rng.random() < 0.5 and self.horizontal_flip
        drawn["flip_vertical"] = rng.random() < 0.5 and self.vertical_flip
        if self.channel_shift_range:
            drawn["channel_shift_intensity"] = _symmetric(self.channel_shift_range, rng)
        if self.brightness_range is not None:
            drawn["brightness"] = rng.uniform(*self.brightness_range)
        return NO_CHANGE | drawn

    def apply(self, image, parameters):
        """Apply one draw to one image, without `rescale`.

        Args:
            image: (height, width, 3) uint8, or floating point in 0..255.
            parameters: dict as `draw` or `ImageDataGenerator.get_random_transform` returns; a missing key
                stands for no change.

        Returns:
            A new array of the same shape, uint8 for uint8 and float32 for floating point.

        Raises:
            ValueError: the image has another shape or dtype, or a key is unknown.
        """
        if unknown := parameters.keys() - NO_CHANGE.keys():
            raise ValueError(f"parameters must be among {', '.join(NO_CHANGE)}; received {sorted(unknown)}")
        parameters = NO_CHANGE | parameters
        image = self._warp(_checked(image), self._matrix(image.shape, parameters))
        if parameters["channel_shift_intensity"] is not None:
            image = _shift_channels(image, parameters["channel_shift_intensity"])
        if parameters["brightness"] is not None:
            image = _brighten(image, parameters["brightness"], whole_levels=self.legacy)
        return image

    def _matrix(self, shape, parameters):
        """The (2, 3) float64 matrix from output to input pixels in (x, y).

        It is the product offset . rotation . shift . shear . zoom . offset^-1 . flips, multiplied out: the
        shear turns the y axis by its angle on top of the rotation.
        """
        height, width = shape[:2]
        centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
        if self.legacy:
            centre_x, centre_y = centre_y, centre_x
        theta, zx, zy = radians(parameters["theta"]), parameters["zx"], parameters["zy"]
        slant = theta + radians(parameters["shear"])
        xx, xy = zx * cos(theta), -zy * sin(slant)
        yx, yy = zx * sin(theta), zy * cos(slant)
        tx, ty = parameters["tx"], parameters["ty"]
        x = centre_x + cos(theta) * tx - sin(theta) * ty - xx * centre_x - xy * centre_y
        y = centre_y + sin(theta) * tx + cos(theta) * ty - yx * centre_x - yy * centre_y
        # A flipped image reads output column width - 1 - x where the unflipped one reads x.
        if parameters["flip_horizontal"]:
            x, y, xx, yx = x + xx * (width - 1), y + yx * (width - 1), -xx, -yx
        if parameters["flip_vertical"]:
            x, y, xy, yy = x + xy * (height - 1), y + yy * (height - 1), -xy, -yy
        return np.array([[xx, xy, x], [yx, yy, y]])

    def _warp(self, image, matrix):
        """Read `image` bilinearly at the places `matrix` names."""
        height, width = image.shape[:2]
        if self.fill_mode == "wrap":
            x, y = _places(matrix, height, width)
            return cv2.remap(image, _wrapped(x, width), _wrapped(y, height), cv2.INTER_LINEAR)
        border = cv2.BORDER_REFLECT if self.fill_mode == "reflect" else cv2.BORDER_REPLICATE
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        # OpenCV interpolates four channels at once much faster than three, and inside the image much faster than
        # at its border.
        source, shifted = _padded(cv2.cvtColor(image, cv2.COLOR_RGB2RGBA), matrix, border)
        warped = cv2.warpAffine(source, shifted, (width, height), flags=flags, borderMode=border)
        warped = cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB)
        if self.fill_mode == "constant":
            # OpenCV's constant border blends the last pixel into cval; SciPy's begins at the pixel's centre.
            x, y = _places(matrix, height, width)
            warped[(x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)] = self.cval
        return warped


def _padded(image, matrix, border):
    """Pad the image by its border so that every place that the matrix reads lies inside, and shift the matrix.

    Left as it is where more than half an image would have to be added: the padding costs more than it saves.
    """
    height, width = image.shape[:2]
    (xx, xy, x), (yx, yy, y) = matrix.tolist()
    # An affine map is extreme at the corners. Interpolation reads one pixel further, rounding perhaps another.
    across, down = (width - 1, height - 1)
    left = max(ceil(-(x + min(xx * across, 0) + min(xy * down, 0))) + 1, 0)
    top = max(ceil(-(y + min(yx * across, 0) + min(yy * down, 0))) + 1, 0)
    right = max(floor(x + max(xx * across, 0) + max(xy * down, 0)) + 3 - width, 0)
    bottom = max(floor(y + max(yx * across, 0) + max(yy * down, 0)) + 3 - height, 0)
    if max(left, right) > width // 2 or max(top, bottom) > height // 2:
        return image, matrix
    image = cv2.copyMakeBorder(image, top, bottom, left, right, border)
    return image, matrix + [[0, 0, left], [0, 0, top]]


def _range(name, value):
    """`value` as a Python number, or the error that names the argument."""
    if not (isinstance(value, Real) and 0 <= value < np.inf):
        raise ValueError(f"{name} must be a finite number of at least 0; received {value!r}")
    return int(value) if isinstance(value, Integral) else float(value)


def _numbers(name, values):
    """`values` as a list of Python numbers, or the error that names the argument."""
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise ValueError(f"{name} must be a number or a sequence of finite numbers; received {values!r}")
    return array.tolist()


def _pair(name, values):
    """`values` as [lower, upper] with 0 <= lower <= upper, or the error that names the argument."""
    pair = _numbers(name, values)
    if len(pair) != 2 or not 0 <= pair[0] <= pair[1]:
        raise ValueError(
            f"{name} must be a pair (lower, upper) with 0 <= lower <= upper; received {values!r}"
        )
    return pair


def _zoom(value):
    """The limits [lower, upper] of the zoom factors."""
    if isinstance(value, Real) and 0 <= value < 1:
        return [1 - float(value), 1 + float(value)]
    if isinstance(value, Real) or _pair("zoom_range", value)[0] == 0:
        raise ValueError(f"zoom_range must be a number in [0, 1) or a pair above 0; received {value!r}")
    return _pair("zoom_range", value)


def _checked(image):
    """`image` as uint8 or float32 (height, width, 3), or the error that says what it was."""
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"image must be an array of shape (height, width, 3); received {np.shape(image)}")
    if image.dtype != np.uint8 and image.dtype.kind != "f":
        raise ValueError(f"image must be uint8 or floating point; received {image.dtype}")
    return image if image.dtype == np.uint8 else image.astype(np.float32, copy=False)


def _symmetric(limit, rng):
    return rng.uniform(-limit, limit) if limit else 0


def _shift(amount, length, rng):
    """Draw a shift in pixels along an axis of `length` pixels."""
    if amount == 0:
        return 0
    if isinstance(amount, float):
        shift, largest = rng.uniform(-amount, amount), amount
    else:
        shift, largest = rng.choice(amount) * rng.choice([-1, 1]), np.max(np.abs(amount))
    return shift * length if largest < 1 else shift


def _places(matrix, height, width):
    """The input x and y, float64 (height, width), of every output pixel."""
    columns, rows = np.arange(width), np.arange(height)[:, None]
    return tuple(along[0] * columns + along[1] * rows + along[2] for along in matrix)


def _wrapped(places, length):
    """Bring places beyond the edges back by whole periods of SciPy's "wrap", length - 1; float32."""
    outside = (places < 0) | (places > length - 1)
    return np.where(outside, np.mod(places, max(length - 1, 1)), places).astype(np.float32)


def _shift_channels(image, intensity):
    shifted = np.clip(image + np.float32(intensity), image.min(), image.max())
    return np.rint(shifted).astype(np.uint8) if image.dtype == np.uint8 else shifted


def _add_noise(image, largest, rng):
    noisy = np.clip(image + rng.normal(0, rng.uniform(0, largest), image.shape), 0, 255)
    return np.rint(noisy).astype(np.uint8) if image.dtype == np.uint8 else noisy.astype(np.float32)


def _brighten(image, factor, whole_levels):
    """Multiply and cut at 255. uint8 is truncated, as Pillow does; so is float with `whole_levels`."""
    if whole_levels:
        image = np.trunc(image)
    brightened = np.clip(image * np.float32(factor), 0, 255)
    if image.dtype == np.uint8:
        return brightened.astype(np.uint8)
    return np.trunc(brightened) if whole_levels else brightened
