"""Speed against what people would use instead: `python -m benchmarks`, one module a subject."""
