"""Finding a layer inside a Keras model, and running the model while watching its layers.

`keras.Model(model.inputs, layer.output)` cannot reach a layer of a model nested in another one: that output
belongs to the nested model's own graph. Running the graph layer by layer reaches every layer, leaves the
user's model untouched and needs no copy of its weights.

Keras has no public way to run a graph with one's own calls of its layers: `clone_model` calls every layer once more and
leaves that call in the layer for ever. This file therefore uses five names that Keras keeps to itself: `_functional`,
`_keras_history`, `_nodes_by_depth`, `_run_through_graph` and `_standardize_inputs`. The tests of Grad-CAM, of the
other explainers but SHAP and of the exports passed with Keras 3.11.3 and 3.15.1, the ends of the range in `setup.cfg`.
"""

import keras

MAX_LISTED = 12


def is_graph(layer):
    """Tell whether a layer is itself a graph of layers: a Functional or a Sequential model."""
    return isinstance(layer, (keras.Function, keras.Sequential))


def iterate_layers(model, prefix=""):
    """Yield (path, layer) for every layer in the model's order; a nested layer's path is `"outer/inner"`."""
    for layer in model.layers:
        path = prefix + layer.name
        yield path, layer
        if is_graph(layer):
            yield from iterate_layers(layer, path + "/")


def has_feature_map(layer):
    """Tell whether a layer's output is one tensor (N, h, w, K), or (N, K, h, w), of more than one position."""
    if isinstance(layer, keras.layers.InputLayer) or not hasattr(layer, "output"):
        return False
    return len(getattr(layer.output, "shape", ())) == 4 and map_places(layer) != (1, 1)


def map_places(layer):
    """Return (rows, columns) of a layer's 4-D output, None where a size is unknown."""
    shape = tuple(layer.output.shape)
    return shape[2:] if is_channels_first(layer) else shape[1:3]


def is_channels_first(operation):
    """Tell whether an operation's 4-D output is (N, K, h, w): by its `data_format`, or that of what it computes on.

    What has no `data_format` and changes the shape, as `Permute` does, gives (N, h, w, K).
    """
    while not hasattr(operation, "data_format"):
        if is_graph(operation):
            operation = output_layer(operation)
            continue
        inputs = keras.tree.flatten(operation.input)
        if not isinstance(operation, keras.layers.Concatenate):
            inputs = [tensor for tensor in inputs if tensor.shape == operation.output.shape]
        if not inputs or isinstance(operation, keras.layers.Permute):
            return False
        operation = inputs[0]._keras_history.operation
    return operation.data_format == "channels_first"


def find_layer(model, name):
    """Find a layer by its name, searching nested models.

    Args:
        model: Functional or Sequential `keras.Model`.
        name: str, the layer's name, or its path `"outer/inner"` where the name alone is ambiguous.

    Returns:
        keras.layers.Layer with a 4-D output.

    Raises:
        ValueError: where no layer or several layers bear the name, its output is not 4-D, or it is an input.
    """
    layers = dict(iterate_layers(model))
    matches = [name] if name in layers else [path for path in layers if path.endswith(f"/{name}")]
    if len(matches) > 1:
        raise ValueError(
            f"several layers of model {model.name!r} are named {name!r}; choose one of {matches}"
        )
    found = layers[matches[0]] if matches else None
    if found is None or isinstance(found, keras.layers.InputLayer) or len(found.output.shape) != 4:
        candidates = [path for path, layer in layers.items() if has_feature_map(layer)]
        what = "is unknown" if found is None else "is an input or has no 4-D output"
        raise ValueError(
            f"layer {name!r} of model {model.name!r} {what}; expected one of the {len(candidates)} layers "
            f"with an (N, h, w, K) output, of which the last are {candidates[-MAX_LISTED:]}"
        )
    return found


def last_feature_map(model):
    """Find the last layer with a 4-D output, searching nested models.

    Raises:
        ValueError: where the model has none.
    """
    for layer in reversed(model.layers):
        if has_feature_map(layer):
            return layer
        if is_graph(layer) and any(has_feature_map(inner) for _, inner in iterate_layers(layer)):
            return last_feature_map(layer)
    raise ValueError(f"model {model.name!r} has no layer with an (N, h, w, K) output to explain")


def output_layer(model):
    """Find the layer, or function of `keras.ops`, that computes the model's only output, in nested models too."""
    if isinstance(model, keras.Sequential):
        last = model.layers[-1]
    else:
        last = next(operation for operation in model.operations if operation.name == model.output_names[0])
    return output_layer(last) if is_graph(last) else last


def class_names(model):
    """Return the class names that the output layer of a model carries, list of str; None where it carries none.

    A model whose layers Keras cannot list, as of a class of its own, is not looked into.
    """
    if not is_graph(model):
        return None
    names = getattr(output_layer(model), "class_names", None)
    return list(names) if names else None


def producer(operation):
    """Return the operation, or nested model, whose output is the input of this one."""
    return operation.input._keras_history.operation


def own_graph(model):
    """Return the `keras.Function` that a model runs: a Sequential keeps one, a Functional model is one."""
    return model._functional if isinstance(model, keras.Sequential) else model


def last_call(model, operation):
    """Return the node of an operation's last call in this model, with `input_tensors` and `output_tensors`.

    `operation.input` and `operation.output` are those of its first call: perhaps in another model that shares it, or
    in what a Sequential was before more layers were added.

    Args:
        model: Functional or Sequential `keras.Model`, built.
        operation: `keras.Operation` of its graph, not of a nested one.
    """
    by_depth = own_graph(model)._nodes_by_depth
    in_order = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    return [node for node in in_order if node.operation is operation][-1]


def run_graph(model, inputs, observe):
    """Run a model in inference mode and show every layer's call to an observer.

    Args:
        model: Functional or Sequential `keras.Model`, built.
        inputs: the model's inputs, tensors of the backend.
        observe: function (layer, inputs, outputs) -> outputs, called after each layer with its first
            argument; what it returns is passed on in place of the outputs.

    Returns:
        the model's outputs.
    """

    def observed(operation):
        def call(*args, **kwargs):
            if is_graph(operation):
                outputs = run_graph(operation, args[0], observe)
            else:
                if "training" in getattr(operation, "call_signature_parameters", ()):
                    kwargs["training"] = False
                outputs = operation(*args, **kwargs)
            return observe(operation, args[0] if args else None, outputs)

        return call

    # What Functional.call itself does; Keras has no public way to run a graph with one's own layer calls.
    graph = own_graph(model)
    outputs = graph._run_through_graph(graph._standardize_inputs(inputs), operation_fn=observed)
    single = isinstance(outputs, (list, tuple)) and len(outputs) == 1
    return outputs[0] if single else outputs
