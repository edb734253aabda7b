"""The neural quality level: networks that add to the geometric frame what geometry cannot know."""
