"""The lines that tell how far a training is."""

import io

from drcls.own_images.progress import Progress, spoken


def told(monkeypatch, is_terminal):
    """What two epochs of three batches print when a batch takes ten seconds."""
    stream, now = io.StringIO(), [0.0]
    stream.isatty = lambda: is_terminal
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = Progress(stream)
    progress.set_params({"epochs": 5, "steps": 3})
    progress.on_train_begin()
    for epoch in (3, 4):
        progress.on_epoch_begin(epoch)
        for batch in range(3):
            now[0] += 10
            progress.on_train_batch_end(batch)
        progress.on_epoch_end(epoch, {"loss": 0.5, "val_accuracy": 0.75})
    return stream.getvalue()


def test_piped_there_is_one_line_an_epoch(monkeypatch):
    assert told(monkeypatch, False).splitlines() == [
        "epoch 4 of 5, loss 0.5000, val_accuracy 0.7500, about 30 s left",
        "epoch 5 of 5, loss 0.5000, val_accuracy 0.7500",
    ]


def test_a_terminal_also_sees_the_batches(monkeypatch):
    text = told(monkeypatch, True)
    assert "\repoch 4 of 5, batch 2 of 3, about 40 s left" in text


def test_durations_are_said_in_the_unit_that_fits():
    assert [spoken(seconds) for seconds in (40, 240, 9000)] == ["40 s", "4 min", "2.5 h"]
