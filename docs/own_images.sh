#!/usr/bin/env bash
# From a folder of images to a model that a colleague can use. The images are 402 real blood cells that come with the
# package (Acevedo et al. 2020, CC BY 4.0); put your own class folders in the place of `cells`.
set -euo pipefail

drcls sample blood_cells cells                            # CLASS/NAME.jpg, and its licence
drcls prepare cells prepared --size 96                    # verified, resized, hashed: manifest.csv, dataset.json
drcls audit prepared --html audit.html                    # copies, contradicting labels, rare classes, leaks
drcls train prepared runs/plain --frozen                  # clean split; a head on an ImageNet backbone
drcls train prepared runs/balanced --frozen --loss balanced_softmax
drcls compare runs/plain runs/balanced                    # paired: McNemar, differences with intervals
drcls evaluate runs/balanced prepared --html test.html    # every measure with its interval, one page
drcls predict runs/balanced cells/basophil predictions.csv   # new images, any folders
drcls explain runs/balanced cells/basophil explained         # Grad-CAM beside each image
drcls export runs/balanced handed_over --format onnx      # a model card says how to load it
drcls serve runs/balanced --trained-on prepared --gate none --port "${PORT:-8000}"   # the application, until Ctrl-C
