"""One module per data set: from its source to a verified image folder with a manifest."""
