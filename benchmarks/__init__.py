"""Speed against what people would use instead: `python -m benchmarks`, one module a subject."""

# Before a module imports Keras: every TensorFlow here then has the settings of `import drcls`.
import drcls  # noqa: F401
