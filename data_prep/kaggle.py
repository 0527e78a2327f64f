"""Downloads from Kaggle with its own client."""

import importlib
from pathlib import Path

from data_prep.sources import PreparationError


def kaggle_client():
    """Return Kaggle's own client, logged in with the user's own credentials.

    Raises:
        PreparationError: The package or the credentials are missing.
    """
    try:
        api = importlib.import_module("kaggle.api.kaggle_api_extended").KaggleApi()
    except ImportError as error:
        raise PreparationError(
            "the kaggle package is not installed: pip install '.[kaggle]' in the checkout, or download by hand and "
            f"give --source the zip ({error})"
        ) from error
    # The client ends the process where it finds no credentials.
    except (OSError, SystemExit) as error:
        raise PreparationError(_no_credentials(error)) from error
    try:
        api.authenticate()
    except (OSError, ValueError, SystemExit) as error:
        raise PreparationError(_no_credentials(error)) from error
    return api


def _no_credentials(error):
    return (
        "no Kaggle credentials: create a token on https://www.kaggle.com/settings and save it as "
        f"~/.kaggle/kaggle.json, or set KAGGLE_USERNAME and KAGGLE_KEY ({error})"
    )


def download(folder, dataset=None, competition=None, files=()):
    """Download from Kaggle what is not in `folder` yet.

    Args:
        folder: where the archives go; they stay there, so a second preparation downloads nothing.
        dataset: name of a Kaggle data set, "OWNER/NAME"; downloaded as one zip.
        competition: name of a Kaggle competition, whose rules the user must have accepted on its page.
        files: names of the files of the competition that are wanted.

    Returns:
        The folder.

    Raises:
        PreparationError: No client, no credentials, or Kaggle refused.
    """
    marker = Path(folder) / ".complete"
    if marker.exists():
        return Path(folder)
    api = kaggle_client()
    Path(folder).mkdir(parents=True, exist_ok=True)
    try:
        if dataset:
            api.dataset_download_files(dataset, path=str(folder), quiet=False)
        for name in files:
            api.competition_download_file(competition, name, path=str(folder), quiet=False)
    except Exception as error:  # noqa: BLE001 - the client's HTTP errors vary by release
        raise PreparationError(
            f"Kaggle did not give {dataset or competition} ({type(error).__name__}: {error}); accept its "
            "terms on https://www.kaggle.com, or download by hand and give --source the zip"
        ) from error
    marker.touch()
    return Path(folder)
