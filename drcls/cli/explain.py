"""Show on which regions of its images a prediction rests.

For each image the image itself beside its overlay (PNG) and the raw map (.npy) are written. The images are prepared as
the training images were, where the run folder, or the card that names the file, says how. A broken file is listed with
the reason, the rest is explained, and the exit status is 1 then.

TO is a new folder, or one of earlier explanations, and lies outside the folders IMAGES.

examples:
  drcls explain runs/plain new_images explained
  drcls explain model.keras eye.jpg explained --method lime --class Severe
"""

from pathlib import Path

from drcls.cli.arguments import existing, model_file

AFTER_INTERRUPTION = "give the command again; the images explained so far stay"
METHODS = (
    "grad_cam",
    "grad_cam_plus_plus",
    "score_cam",
    "saliency",
    "lime",
    "shap_gradient",
    "shap_partition",
)


def add_arguments(parser):
    parser.add_argument("model", metavar="RUN_OR_MODEL", type=model_file, help="run folder or .keras file")
    parser.add_argument(
        "images", metavar="IMAGES", type=existing, nargs="+", help="image files, or folders of them"
    )
    parser.add_argument("to", metavar="TO", type=Path, help="folder to write")
    parser.add_argument("--method", choices=METHODS, default="grad_cam", help="default: %(default)s")
    parser.add_argument(
        "--class", dest="class_name", help="name or number of the class (default: the predicted one)"
    )


def run(options):
    """Explain, and say what was written and what was broken."""
    from drcls.cli.pictures import listed, preparation_of
    from drcls.explain import explain_folder

    preparation = preparation_of(options.model)
    done = explain_folder(
        options.model, options.images, options.to, options.method, options.class_name, preparation=preparation
    )
    explained = [
        {name: str(value) if isinstance(value, Path) else value for name, value in one.items()}
        for one in done["explained"]
    ]
    broken = listed(done["broken"])
    return {"method": options.method, "explained": explained, "broken": broken, "failed": len(broken)}


def describe(result):
    from drcls.cli.pictures import describe_broken

    lines = [
        f"{one['image']}: {one['predicted']} ({one['explained']} {one['probability']:.3f}) -> {one['overlay']}"
        for one in result["explained"]
    ]
    return "\n".join(
        [*lines, *describe_broken(result["broken"]), f"{len(lines)} images explained by {result['method']}"]
    )
