"""What every file that shows an avatar says about itself."""

from typing import Final

PROVENANCE: Final = "AI-generated with Vividlive: a photo animated by a voice"
"""Stands in the file's "comment"."""
