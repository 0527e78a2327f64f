"""A tiny deployed model, a data folder of its own for every test, and visitors of its pages."""

import contextlib
import re

import cv2
import keras
import pytest

pytest.importorskip("flask", reason="the extra `app` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")

from data_prep.phantoms.retina_lesions import CLASSES
from data_prep.prepare import DataSet, LabelledFile, prepare
from data_prep.sources import Source
from drcls.app import create_app
from drcls.app.accounts import add_account, add_token
from drcls.app.calibration import validation_part
from drcls.app.db import connect, create_folder
from drcls.app.explanations import Explainer
from drcls.app.inference import Grader
from drcls.data import load_manifest
from drcls.layers import ClassProbabilities
from tests.data.photographs import draw, encode

PASSWORD = "a long enough password"
PREPARATION = {"crop": "border", "size": 48, "filter": "gaussian", "clahe": False}
NUM_SOURCES = 15


def build_model(class_names):
    """Build an untrained network of 32 px whose grades depend on the picture."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((32, 32, 3), name="images")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu", name="features")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(len(class_names))(x)
    return keras.Model(inputs, ClassProbabilities(class_names, "features", name="grades")(x), name="tiny")


@pytest.fixture(scope="session")
def sources_folder(tmp_path_factory):
    """Photographs as from a camera, lossless and not."""
    folder = tmp_path_factory.mktemp("camera")
    for seed in range(NUM_SOURCES):
        suffix = ".jpg" if seed % 3 == 0 else ".png"
        (folder / f"{seed:02d}{suffix}").write_bytes(encode(draw(seed, 96 + 8 * seed), suffix))
    return folder


@pytest.fixture(scope="session")
def data_set(sources_folder, tmp_path_factory):
    """The training data: these photographs, prepared by the real preparation."""

    def list_files(source):
        names = sorted(path.name for path in sources_folder.iterdir())
        return [LabelledFile(name, name[:2], CLASSES[int(name[:2]) % 5]) for name in names], {}

    counts = dict.fromkeys(CLASSES, NUM_SOURCES // 5)
    described = DataSet(
        name="clinic",
        title="Clinic",
        classes=CLASSES,
        licence="CC0",
        list_files=list_files,
        expected_counts=counts,
        counts_source="here",
    )
    folder = tmp_path_factory.mktemp("data") / "clinic"
    with Source(sources_folder) as source:
        prepare(described, source, folder, PREPARATION)
    return load_manifest(folder)


@pytest.fixture(scope="session")
def run_folder(data_set, tmp_path_factory):
    """What a training leaves: the model, and which images it was validated on."""
    folder = tmp_path_factory.mktemp("runs") / "clinic-clean-quick-s0" / "tiny"
    folder.mkdir(parents=True)
    build_model(CLASSES).save(folder / "model.keras")
    split = data_set.frame[["path", "label", "group", "sha256"]].assign(part="validation")
    split.loc[:4, "part"] = "train"
    split.to_csv(folder / "split.csv", index=False)
    (folder / "config.json").write_text('{"data": "clinic", "phantom": false}')
    return folder


@pytest.fixture(scope="session")
def unseen(data_set, run_folder):
    """The images that the model was not trained on: its validation part."""
    return validation_part(data_set.root, run_folder / "model.keras")


@pytest.fixture(scope="session")
def grader(run_folder, tmp_path_factory):
    return Grader(run_folder / "model.keras", tmp_path_factory.mktemp("models"), PREPARATION, num_threads=1)


@pytest.fixture(scope="session")
def photograph():
    """A photograph that passes the gate, as bytes."""
    return encode(draw(1, 200))


@pytest.fixture(scope="session")
def blurred():
    """One that does not: out of focus."""
    return encode(cv2.GaussianBlur(draw(1, 200), (0, 0), 8))


@pytest.fixture
def folder(tmp_path):
    return create_folder(tmp_path / "screening")


@pytest.fixture
def database(folder):
    with contextlib.closing(connect(folder)) as connection:
        yield connection


@pytest.fixture(scope="session")
def hashed(tmp_path_factory):
    """The hash of PASSWORD, made once: scrypt is slow on purpose."""
    folder = create_folder(tmp_path_factory.mktemp("hash") / "folder")
    with contextlib.closing(connect(folder)) as connection:
        add_account(connection, "anna", PASSWORD, "admin")
        return connection.execute("SELECT password FROM accounts").fetchone()[0]


@pytest.fixture
def accounts(database, hashed, monkeypatch):
    """anna, an admin, and ben, a clinician."""
    monkeypatch.setattr("drcls.app.accounts.generate_password_hash", lambda _: hashed)
    add_account(database, "anna", PASSWORD, "admin")
    add_account(database, "ben", PASSWORD, "clinician")
    return database


@pytest.fixture
def explainer(folder, grader):
    return Explainer(folder, grader)


@pytest.fixture
def app(folder, grader, explainer, accounts):
    made = create_app(folder, grader, explainer)
    made.testing = False  # a fault must reach the visitor as a page
    return made


class Visitor:
    """A browser without a screen: keeps cookies and sends the token of the last page it saw."""

    def __init__(self, app):
        self.client = app.test_client()
        self.token = ""

    def get(self, path, **kwargs):
        return self._seen(self.client.get(path, **kwargs))

    def post(self, path, **fields):
        data = {"csrf_token": self.token} | fields
        return self._seen(self.client.post(path, data=data, content_type="multipart/form-data"))

    def log_in(self, name):
        self.get("/login")
        answer = self.post("/login", name=name, password=PASSWORD)
        assert answer.status_code == 302, answer.text
        self.get("/upload")
        return self

    def upload(self, *photographs, **fields):
        import io

        files = [(io.BytesIO(data), f"eye{number}.png") for number, data in enumerate(photographs)]
        return self.post("/upload", photographs=files, **fields)

    def _seen(self, answer):
        page = answer.text if answer.mimetype == "text/html" else ""
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        self.token = found[1] if found else self.token
        return answer


@pytest.fixture
def visitor(app):
    return Visitor(app)


@pytest.fixture
def ben(app):
    return Visitor(app).log_in("ben")


@pytest.fixture
def anna(app):
    return Visitor(app).log_in("anna")


@pytest.fixture
def token(accounts):
    return add_token(accounts, "ben")


@pytest.fixture
def case_id(ben, photograph):
    """A graded case."""
    return ben.upload(photograph, reference="visit 7", eye="left").location.rsplit("/", 1)[1]
