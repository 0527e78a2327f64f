"""Write a model for places without this package, with a model card.

The card holds the code that loads the file. saved_model, onnx and litert need no drcls; a keras file needs it only
where the network was trained with --parts, and the card says so.

A folder has one card: one model may be written there in several formats, another model is refused.

The file is compared with the model before it is kept. Int8 measures its ranges on training images of a prepared
folder, and its loss of accuracy on the test images there.

examples:
  drcls export runs/plain handed_over --format onnx
  drcls export runs/plain handed_over --format litert --int8 --calibration data/mine
"""

from pathlib import Path

from drcls.cli.arguments import UsageError, model_file, prepared

AFTER_INTERRUPTION = "give the command again; nothing half-written is left"
FORMATS = ("keras", "saved_model", "onnx", "litert")


def add_arguments(parser):
    parser.add_argument("model", metavar="RUN_OR_MODEL", type=model_file, help="run folder or .keras file")
    parser.add_argument("to", metavar="TO", type=Path, help="folder of the file and its card")
    parser.add_argument("--format", choices=FORMATS, default="onnx", help="default: %(default)s")
    parser.add_argument("--int8", action="store_true", help="quantise to 8 bits (onnx and litert)")
    parser.add_argument("--calibration", type=prepared, metavar="DATA", help="prepared folder, for --int8")


def run(options):
    """Export, and say what was written."""
    if options.int8 and options.format not in ("onnx", "litert"):
        raise UsageError(f"--int8 is for --format onnx and litert; received --format {options.format}")
    if options.int8 != bool(options.calibration):
        raise UsageError("--int8 and --calibration DATA go together")
    from drcls.export import export_model
    from drcls.own_images.calibration import calibration_images

    images, test = calibration_images(options.model, options.calibration) if options.int8 else (None, None)
    written = export_model(options.model, options.to, options.format, options.int8, images, test)
    return written | {"file": str(written["file"]), "cards": [str(card) for card in written["cards"]]}


def describe(result):
    lines = [f"{result['file']}: {result['bytes'] / 1e6:.1f} MB", f"model card: {', '.join(result['cards'])}"]
    if result["int8"]:
        measured = ", ".join(f"{name} {value}" for name, value in result["int8"].items())
        lines.insert(1, f"int8: {measured}")
    return "\n".join(lines)
