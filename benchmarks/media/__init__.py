"""The media path, measured in a real browser by marked frames and beginnings of sound."""
