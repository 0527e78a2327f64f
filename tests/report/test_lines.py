import cv2
import pytest

from drcls.report import Lines, line_chart

LOSSES = Lines("Losses", "epoch", "loss", {"focal": ([1, 2, 3], [0.9, 0.5, 0.4]), "plain": ([1, 2], [2, 1])})
CHANGE = Lines("Change", "rho", "percent", {"plain": ([3.5, 37.9], [1, -2])}, log_x=True, baseline=0)


def test_every_line_is_drawn_and_one_name_has_one_colour(tmp_path, drawn):
    path = tmp_path / "figures" / "lines.png"
    figure = line_chart(path, [LOSSES, CHANGE, CHANGE], "Three panels", "Fake data, seed 0", "A caption.")
    assert figure.path == path and cv2.imread(str(path)).std() > 5
    assert "Losses" in figure.alt and "focal" in figure.alt and "plain" in figure.alt
    losses, change, again = drawn[0].axes
    lines = {line.get_label(): line for line in losses.get_lines()}
    assert lines["focal"].get_data()[1].tolist() == [0.9, 0.5, 0.4]
    assert lines["plain"].get_data()[0].tolist() == [1, 2]
    (plain,) = (line for line in change.get_lines() if line.get_label() == "plain")
    assert plain.get_color() == lines["plain"].get_color() != lines["focal"].get_color()
    assert change.get_xscale() == "log" and losses.get_xscale() == "linear"
    ticks = [tick.get_text() for tick in change.get_xticklabels()]
    assert {"5", "10", "20"} <= set(ticks) and not any(
        tick.get_text() for tick in change.get_xticklabels(minor=True)
    )
    assert any(set(line.get_ydata()) == {0} for line in change.get_lines())
    assert again.get_title(loc="left") == "Change"


def test_more_lines_than_colours_are_told_apart_by_dashes(tmp_path, drawn):
    panel = Lines("Many", "x", "y", {f"line {i}": ([0, 1], [i, i]) for i in range(20)})
    line_chart(tmp_path / "many.png", [panel], "Many", "Fake data", "A caption.")
    looks = [(line.get_color(), line.get_linestyle()) for line in drawn[0].axes[0].get_lines()]
    assert len(set(looks)) == 20


def test_a_chart_without_a_line_is_refused(tmp_path):
    with pytest.raises(ValueError, match="lines.png: a line chart needs at least one line, received 1 empty"):
        line_chart(tmp_path / "lines.png", [Lines("Empty", "x", "y", {})], "None", "Fake data", "A caption.")
    assert not list(tmp_path.iterdir())
