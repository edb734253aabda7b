"""The errors that Vividlive raises.

VividliveError
├── InputError            what the caller gave cannot be used: exit code 2, HTTP 4xx
│   ├── PhotoError        a portrait (unreadable, no face, several faces, too small, turned away)
│   ├── AudioError        a recording or a chunk of samples
│   ├── BundleError       a saved avatar
│   └── SettingError      an option out of its range
├── DeviceLostError       a GPU that failed in the midst of its work
└── UnavailableError      something this machine or this version does not have

A message says in one line what was expected, what came, and what to do.
"""


class VividliveError(Exception):
    """Base of all errors that Vividlive raises on purpose."""


class InputError(VividliveError):
    """The caller's input cannot be used."""


class PhotoError(InputError):
    """A portrait cannot become an avatar."""


class AudioError(InputError):
    """Audio cannot be read or has the wrong form."""


class BundleError(InputError):
    """A saved avatar cannot be loaded."""


class SettingError(InputError):
    """A setting is outside its range."""


class DeviceLostError(VividliveError):
    """A GPU failed or its memory is full; what drew on it draws nothing more."""


class UnavailableError(VividliveError):
    """A part is missing on this machine or is not built yet."""
