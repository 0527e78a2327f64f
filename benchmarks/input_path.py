"""The input path while training: augmented batches from the cache, against the same step on an array in memory."""

import json
import queue
import tempfile
import threading
import time
from pathlib import Path

import keras
import numpy as np

from benchmarks.augment import POLICY
from benchmarks.comparison import Comparison
from drcls.data import Augmenter, Batches, ImageCache
