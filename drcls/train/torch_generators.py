"""The generators of PyTorch, from which Keras draws dropout without a seed, as text for a checkpoint."""

import base64

import keras


def generator_states():
    """Return the states of PyTorch's own generators, of the processor and of CUDA devices.

    Returns:
        dict from device to str; {} on other backends.
    """
    return {device: _as_text(generator.get_state()) for device, generator in _generators().items()}


def set_generator_states(states):
    """Continue the generators of the devices that there are; on other backends nothing is done.

    Args:
        states: dict of `generator_states`, perhaps from a machine with other devices.

    Raises:
        ValueError: where they are not of that kind.
    """
    if not isinstance(states, dict):
        raise ValueError(f"received {states!r}, expected a dict from device to state")
    for device, generator in _generators().items():
        if device in states:
            _set(device, generator, states[device])


def _generators():
    if keras.backend.backend() != "torch":
        return {}
    import torch

    generators = {"cpu": torch.default_generator}
    if torch.cuda.is_available():
        torch.cuda.init()  # before, there are none
        generators |= {f"cuda:{number}": one for number, one in enumerate(torch.cuda.default_generators)}
    return generators


def _as_text(state):
    return base64.b64encode(state.numpy().tobytes()).decode("ascii")


def _set(device, generator, text):
    import torch

    try:
        generator.set_state(torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{device}: received {str(text)[:40]!r}, expected a state of PyTorch's generator ({error})"
        ) from error
