"""The same as own_images.sh, in Python."""

from data_prep.folder import prepare_folder
from data_prep.samples import write_sample
from drcls.data import load_manifest
from drcls.data.audit import audit, describe_audit
from drcls.explain import explain_folder
from drcls.export import export_model
from drcls.own_images import compare_runs, evaluate_classifier, train_classifier

prepare_folder(write_sample("blood_cells", "cells"), "prepared", size=96)
print(describe_audit(audit(load_manifest("prepared"))))
train_classifier("prepared", "runs/plain", frozen=True)
train_classifier("prepared", "runs/balanced", frozen=True, loss="balanced_softmax")
print(compare_runs(["runs/plain", "runs/balanced"])["pairs"])
print(evaluate_classifier("runs/balanced", "prepared")["metrics"])
explain_folder("runs/balanced", "cells/basophil", "explained")
export_model("runs/balanced", "handed_over", format="onnx")
