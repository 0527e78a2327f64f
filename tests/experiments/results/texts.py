"""What is written in committed results."""


def texts(content):
    """Return every text in a JSON content, at any depth, without the keys."""
    if isinstance(content, dict | list):
        values = content.values() if isinstance(content, dict) else content
        return [text for value in values for text in texts(value)]
    return [content] if isinstance(content, str) else []
