"""The model card: what a colleague must know of a model before using it, as Markdown and as JSON.

Source: Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019), section 4.
"""

from pathlib import Path

import keras

from drcls.data.leakage import describe_leakage
from drcls.environment import package_version
from drcls.files import read_json, write_json, write_text
from drcls.forward.layer_graph import class_names
from drcls.metrics import shown_interval
from drcls.models.input_range import expects_bytes
from drcls.models.plain import own_layers, plain_model
from drcls.models.training_data import MODEL_CARD, card_of, digest, files_of_card, is_model_of_run, model_file

NOT_RECORDED = "not recorded"
INTENDED_USE = (
    "Research and teaching. The model is no medical device: no diagnosis or treatment may rest on its output. "
    "It was measured on the data named here alone; other cameras, laboratories and populations need their own test."
)
# By format: what must be installed, and what gives the probabilities of `images`.
HOW_TO_LOAD = {
    "keras": (
        "Keras",
        'import keras\n\nmodel = keras.models.load_model("{file}")\nprobabilities = model.predict(images)',
    ),
    "saved_model": (
        "TensorFlow",
        'import tensorflow as tf\n\nmodel = tf.saved_model.load("{file}")\nprobabilities = model.serve(images).numpy()',
    ),
    "onnx": (
        "onnxruntime",
        'import onnxruntime\n\nsession = onnxruntime.InferenceSession("{file}")\n'
        'probabilities = session.run(None, {{"{input}": images}})[0]',
    ),
    "litert": (
        "TensorFlow",
        'import tensorflow as tf\n\nrunner = tf.lite.Interpreter("{file}").get_signature_runner()\n'
        '(probabilities,) = runner(**{{"{input}": images}}).values()',
    ),
}
PACKAGES = ("drcls", "keras", "tensorflow-cpu", "tensorflow", "onnxruntime", "tf2onnx", "numpy")


def describe(model):
    """Gather what is known of a model from its run folder, or from the card that an earlier export wrote for it.

    What lies beside a file and is of another model is left out.

    Args:
        model: path of a `.keras` file or a run folder; or a `keras.Model`, of which no run is known.

    Returns:
        dict of the card's fields; None where nothing is recorded: "run", "data", "protocol", "leakage",
        "metrics", "intervals", "num_test", "training", "trained_with", "source_sha256".
    """
    fields = dict.fromkeys(
        (
            "run",
            "data",
            "protocol",
            "leakage",
            "metrics",
            "intervals",
            "num_test",
            "training",
            "trained_with",
            "source_sha256",
        )
    )
    if isinstance(model, keras.Model):
        return fields
    file = model_file(model)
    source = digest(file) if file.is_file() else None
    if not is_model_of_run(file):
        card = card_of(file) if source else None
        known = {key: value for key, value in (card or {}).items() if key in fields and value is not None}
        return fields | {"source_sha256": source} | known
    folder = file.parent
    config, measured, env, info = (
        _read(folder / f"{name}.json") for name in ("config", "metrics", "env", "dataset")
    )
    return fields | {
        "run": "/".join(folder.resolve().parts[-2:]) if config else None,
        "data": _data(config, info),
        "protocol": config.get("protocol"),
        "leakage": measured.get("leakage"),
        "metrics": measured.get("metrics"),
        "intervals": measured.get("intervals"),
        "num_test": measured.get("num_test"),
        "training": config or None,
        "trained_with": env.get("versions"),
        "source_sha256": source,
    }


def check_replaced(folder, name):
    """Refuse to write over a file that is no earlier export: the card of its folder does not name it.

    Raises:
        ValueError: where such a file lies there.
    """
    path = folder / MODEL_CARD
    if (folder / name).exists() and not (path.is_file() and name in files_of_card(path)[0]):
        raise ValueError(
            f"{folder / name} is no export that a {MODEL_CARD} beside it names, and would be written over; choose "
            "another folder"
        )


def files_beside(folder, name, source_sha256):
    """Return the files that the card of a folder is about already, where they are of the same model.

    Args:
        folder: Path of the folder that a model is exported to.
        name: str, the file that is to be written, or written over.
        source_sha256: str, of the model that is exported (`describe`), or None where it is not known.

    Returns:
        dict, name -> SHA-256 of each other file that is still there.

    Raises:
        ValueError: where they are of another model: the one card of a folder cannot be about two.
    """
    path = folder / MODEL_CARD
    if not path.is_file():
        return {}
    files, card = files_of_card(path)
    others = {other: found for other, found in files.items() if other != name and (folder / other).exists()}
    same = source_sha256 is not None and source_sha256 in (card.get("source_sha256"), *files.values())
    if others and not same:
        raise ValueError(
            f"{path} is the card of {', '.join(others)}, of another model than the one to export; "
            "choose another folder"
        )
    return others


def write_model_card(folder, model, facts):
    """Write `model_card.json` and `model_card.md`.

    Args:
        folder: path of the folder.
        model: the `keras.Model` that was exported: classes, inputs and preprocessing are read off it.
        facts: dict, from `describe`, with "file", "files" (name -> SHA-256), "format", "bytes" and "int8" of the
            export, and anything else that the card shall hold; "data" may hold `title`, `source`, `licence`, `counts`
            and `preparation`.

    Returns:
        list of the two paths, Markdown first.
    """
    content = {
        "name": model.name,
        "classes": class_names(model),
        "inputs": [_input(tensor, model) for tensor in model.inputs],
        "preprocessing": preprocessing(model),
        "parameters": int(model.count_params()),
        "intended_use": INTENDED_USE,
        "versions": {name: found for name in PACKAGES if (found := package_version(name))},
        **facts,
    }
    content["loading"] = loading(model, content)
    folder = Path(folder)
    write_json(folder / "model_card.json", content)
    write_text(folder / "model_card.md", render(content))
    return [folder / "model_card.md", folder / "model_card.json"]


def loading(model, card):
    """Say what a colleague installs and writes to get probabilities from the file.

    Args:
        model: the `keras.Model` that was exported.
        card: dict with "format", "file" and "inputs".

    Returns:
        dict: "needs", str, the package; "own_layers", list of str, layers of this package that the file needs it for;
        "code", str, Python, or None for a network of several inputs or an unknown format.
    """
    needs, code = HOW_TO_LOAD.get(card.get("format"), (None, None))
    own = own_layers(plain_model(model)[0]) if card.get("format") == "keras" else []
    if code and len(card["inputs"]) == 1:
        (one,) = card["inputs"]
        code = "import drcls\n" * bool(own) + code.format(file=card["file"], input=one["name"])
        shape = ", ".join(["N", *map(str, one["shape"][1:])])
        images = f'images = np.load("images.npy")  # {one["dtype"]} ({shape}), values {one["values"]}'
        code = f"import numpy as np\n{code}".replace("\n\n", f"\n\n{images}\n", 1)
    else:
        code = None
    return {"needs": needs, "own_layers": own, "code": code}


def preprocessing(model):
    """Return what the network does to an image first: list of str, its scaling and normalising layers."""
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += preprocessing(layer)
        elif isinstance(layer, keras.layers.Rescaling):
            found.append(f"Rescaling: image * {layer.scale} + {layer.offset}")
        elif isinstance(layer, keras.layers.Normalization):
            found.append(f"Normalization: {_numbers(layer)}")
    return found


def render(card):
    """Return the card as Markdown.

    Args:
        card: dict, as `model_card.json` holds it.
    """
    sections = (
        _about_the_model,
        _about_loading,
        _about_its_use,
        _about_the_data,
        _about_the_measurement,
        _about_int8,
        _about_the_training,
    )
    return "\n\n".join(paragraph for section in sections for paragraph in section(card)) + "\n"


def _about_the_model(card):
    return [
        f"# Model card: {card['name']}",
        _list(
            File=f"{card.get('file')} ({card.get('format')}, {card.get('bytes')} bytes)",
            SHA256=(card.get("files") or {}).get(card.get("file")),
            Classes=", ".join(card["classes"]) if card["classes"] else None,
            Inputs="; ".join(
                f"`{one['name']}`, {one['dtype']} {tuple(one['shape'])}, {one['values']}"
                for one in card["inputs"]
            ),
            Preprocessing_inside_the_model="; ".join(card["preprocessing"]) or "none",
            Preparation_before_the_model=(card.get("data") or {}).get("preparation"),
            Parameters=card["parameters"],
        ),
    ]


def _about_loading(card):
    return ["## How to load it", _loading(card["loading"])]


def _about_its_use(card):
    return ["## Intended use", card["intended_use"]]


def _about_the_data(card):
    data = card.get("data") or {}
    return [
        "## Data",
        _list(
            Data=data.get("title") or data.get("name"),
            Synthetic=data.get("phantom"),
            **({"Sample": data["sample"]} if data.get("sample") else {}),
            Source=data.get("source"),
            Licence=data.get("licence"),
            Images_per_class=data.get("counts"),
        ),
    ]


def _about_the_measurement(card):
    metrics = card.get("metrics") or {}
    return [
        "## How it was measured",
        _list(
            Run=card.get("run"),
            Protocol=card.get("protocol"),
            Test_images=card.get("num_test"),
            Leak_audit=_leakage(card.get("leakage")),
        ),
        _metrics_table(metrics, card.get("intervals") or {}),
        *([_per_class_table(metrics["per_class"])] if metrics.get("per_class") else []),
    ]


def _about_int8(card):
    return ["## int8", _int8(card["int8"], card["format"])] if card.get("int8") else []


def _about_the_training(card):
    return [
        "## Training and versions",
        _list(
            Settings=card.get("training"),
            Trained_with=card.get("trained_with"),
            Exported_with=card["versions"],
        ),
    ]


def _read(path):
    return read_json(path) if path.is_file() else {}


def _data(config, info):
    """What the run's configuration, or a `dataset.json` beside the model, says of the data."""
    known = {
        key: info[key]
        for key in ("title", "source", "licence", "counts", "preparation", "phantom", "sample")
        if key in info
    }
    named = (
        {"name": config["data"], "phantom": config.get("phantom"), "sample": config.get("sample")}
        if "data" in config
        else {}
    )
    return (named | known) or None


def _input(tensor, model):
    return {
        "name": tensor.name,
        "shape": [None, *tensor.shape[1:]],
        "dtype": keras.backend.standardize_dtype(tensor.dtype),
        "values": "0..255" if expects_bytes(model) else NOT_RECORDED,
    }


def _numbers(layer):
    if layer.input_mean is None:
        return "by the mean and variance of the training images"
    return f"(image - {layer.input_mean}) / sqrt({layer.input_variance})"


def _list(**fields):
    """One bullet a field; what nobody recorded is said, not left out."""
    return "\n".join(
        f"- {name.replace('_', ' ')}: {NOT_RECORDED if value in (None, '') else _shown(value)}"
        for name, value in fields.items()
    )


def _shown(value):
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return NOT_RECORDED if value is None else str(value)


def _loading(loading):
    if loading["needs"] is None:
        return f"Needed: {NOT_RECORDED}."
    if loading["own_layers"]:
        needed = (
            f"Needed: {loading['needs']} and drcls, for the layers {', '.join(loading['own_layers'])}. Import drcls "
            "before the model is loaded. The formats saved_model, onnx and litert need no drcls."
        )
    else:
        needed = f"Needed: {loading['needs']}, not drcls."
    return f"{needed}\n\n```python\n{loading['code']}\n```" if loading["code"] else needed


def _leakage(leakage):
    return None if leakage is None else describe_leakage(leakage)


def _metrics_table(metrics, intervals):
    rows = [
        f"| {name} | {value:.4f} | {_interval(intervals.get(name))} |"
        for name, value in metrics.items()
        if isinstance(value, float)
    ]
    if not rows:
        return f"Metrics: {NOT_RECORDED}."
    return "\n".join(["| metric | value | 95 % interval |", "|---|---|---|", *rows])


def _interval(kinds):
    kind, bounds = shown_interval(kinds or {})
    return f"{bounds[0]:.4f} to {bounds[1]:.4f} ({kind})" if bounds else ""


def _per_class_table(per_class):
    names = list(next(iter(per_class.values())))
    rows = [
        f"| {_cell(name)} | " + " | ".join(_cell(values[measure]) for measure in names) + " |"
        for name, values in per_class.items()
    ]
    return "\n".join([f"| class | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|", *rows])


def _cell(value):
    if value is None:
        return "undefined"
    # A bar in the name of a class would end the cell.
    return f"{value:.4f}" if isinstance(value, float) else str(value).replace("|", "\\|")


def _int8(int8, format):
    lines = {
        "Calibration images": int8["calibration_images"],
        "Compared on": f"{int8['images']} {int8['measured_on']}",
        "Same predicted class as float32": f"{int8['same_class']:.2%}",
        "Mean difference of the outputs": f"{int8['mean_difference']:.5f}",
    }
    if int8["accuracy_int8"] is not None:
        lines["Accuracy"] = f"{int8['accuracy_float32']:.4f} in float32, {int8['accuracy_int8']:.4f} in int8"
    if format == "onnx":
        lines["Processor"] = (
            "x86 with VNNI (since 2019) or ARM; on older ones sums overflow, compare the outputs there"
        )
    return "\n".join(f"- {name}: {value}" for name, value in lines.items())
