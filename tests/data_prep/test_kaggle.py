"""data_prep.kaggle: what is downloaded, once, and what is said where nothing can be."""

import importlib
import sys
import types

import pytest

from data_prep.kaggle import download
from data_prep.sources import PreparationError
from tests.data_prep.imitations import write_zip
from tests.data_prep.test_sources import FILES, contents


class FakeClient:
    """Stands in for Kaggle's client: notes what is asked and writes a zip."""

    calls = []
    failure = None

    def authenticate(self):
        if isinstance(self.failure, SystemExit):
            raise self.failure

    def dataset_download_files(self, dataset, path, quiet):
        if self.failure:
            raise self.failure
        self.calls.append(dataset)
        write_zip(f"{path}/{dataset.split('/')[1]}.zip", FILES)

    def competition_download_file(self, competition, file_name, path, quiet):
        self.calls.append((competition, file_name))
        write_zip(f"{path}/{file_name}", {f"{file_name}.txt": b""})


@pytest.fixture
def client(monkeypatch):
    module = types.ModuleType("kaggle.api.kaggle_api_extended")
    module.KaggleApi = FakeClient
    monkeypatch.setattr(FakeClient, "calls", [])
    monkeypatch.setattr(FakeClient, "failure", None)
    monkeypatch.setitem(sys.modules, "kaggle.api.kaggle_api_extended", module)
    return FakeClient


def test_kaggle_data_set_is_downloaded_once(tmp_path, client):
    for _ in range(2):
        folder = download(tmp_path / "downloads", dataset="owner/name")
        assert contents(folder) == FILES
    assert client.calls == ["owner/name"]


def test_kaggle_competition_gives_the_wanted_files(tmp_path, client):
    folder = download(tmp_path / "downloads", competition="eyes", files=("a.zip", "b.zip"))
    assert client.calls == [("eyes", "a.zip"), ("eyes", "b.zip")]
    assert set(contents(folder)) == {"a.zip.txt", "b.zip.txt"}


def test_missing_credentials_are_one_clear_error(tmp_path, client, monkeypatch):
    monkeypatch.setattr(client, "failure", SystemExit(1))
    with pytest.raises(PreparationError, match="no Kaggle credentials.*kaggle.json"):
        download(tmp_path, dataset="owner/name")


def test_refused_download_is_one_clear_error_and_is_tried_again(tmp_path, client, monkeypatch):
    monkeypatch.setattr(client, "failure", RuntimeError("403 Forbidden"))
    with pytest.raises(PreparationError, match="owner/name.*403 Forbidden.*accept its"):
        download(tmp_path, dataset="owner/name")
    monkeypatch.setattr(client, "failure", None)
    assert contents(download(tmp_path, dataset="owner/name")) == FILES


def test_missing_client_is_one_clear_error(tmp_path, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(PreparationError, match=r"pip install '\.\[kaggle\]'"):
        download(tmp_path, dataset="owner/name")
