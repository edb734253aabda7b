"""Drawing: an avatar and a motion to a frame."""
