"""data_prep.journal: a preparation goes on with its own source alone, and what is no journal is named."""

import pytest

from data_prep.journal import Journal, check_same_task
from data_prep.sources import PreparationError

NAMES, CONTENTS, OTHERS = "1" * 64, "2" * 64, "3" * 64
TASK = {"name": "cells", "source_fingerprint": f"{NAMES}+{CONTENTS}"}


def test_a_changed_source_is_refused_and_the_message_says_what_that_means(tmp_path):
    check_same_task(tmp_path, TASK, TASK)
    for found in (f"{NAMES}+{OTHERS}", f"{OTHERS}+{CONTENTS}", NAMES, OTHERS):
        with pytest.raises(
            PreparationError, match="files of the source, or the options .* changed since.; choose"
        ):
            check_same_task(tmp_path, TASK | {"source_fingerprint": found}, TASK)
    with pytest.raises(
        PreparationError, match="fingerprint': '33333333...'}, asked for is .*11111111...+22222222..."
    ):
        check_same_task(tmp_path, TASK | {"source_fingerprint": OTHERS}, TASK)
    with pytest.raises(
        PreparationError,
        match="was prepared with {'name': 'x'}, asked for is {'name': 'cells'}; choose another output folder, or",
    ):
        check_same_task(tmp_path, TASK | {"name": "x"}, TASK)


def test_json_that_describes_no_preparation_is_named(tmp_path):
    with pytest.raises(
        PreparationError,
        match="dataset.json holds a list, a JSON object was expected; choose another output folder, or --force",
    ):
        check_same_task(tmp_path, [], TASK)
    (tmp_path / "journal.jsonl").write_text("[]\n")
    with pytest.raises(PreparationError, match="journal.jsonl holds a list, a JSON object was expected"):
        Journal(tmp_path, TASK)
