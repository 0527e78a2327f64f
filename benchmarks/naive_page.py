"""The page that is written first: decode, resize, `model.predict`, answer. Run by `app.py` in its own process.

python naive_page.py MODEL.keras --port PORT
"""

import sys

import cv2
import flask
import numpy as np
import waitress

from drcls.models.saved import load_saved_model


def serve(model_file, port):
    app, model = flask.Flask(__name__), load_saved_model(model_file)
    class_names = model.layers[-1].class_names

    @app.post("/api/v1/predict")
    def predict():
        image = cv2.imdecode(np.frombuffer(flask.request.get_data(), np.uint8), cv2.IMREAD_COLOR_RGB)
        image = cv2.resize(image, model.input_shape[1:3])
        probabilities = model.predict(image[None].astype("float32"), verbose=0)[0]
        return flask.jsonify(dict(zip(class_names, probabilities.tolist(), strict=True)))

    model.predict(np.zeros((1, *model.input_shape[1:])), verbose=0)  # the first call compiles
    server = waitress.create_server(app, host="127.0.0.1", port=port, threads=40, ident=None)
    print(f"http://127.0.0.1:{port}", flush=True)
    server.run()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[3]))
