"""Numbers that driving on a CPU (NumPy) and on a GPU (torch) share; this module needs neither."""

from typing import Final

SEALED_WHOLE: Final = 0.23
SEALED_NONE: Final = 0.4
"""Gap up to which lips alone close it, and from which they do not try, eye-corner distances: 0.13 is what a jaw
opened by 0.3 leaves, 0.22 the same with a funnel on top, 0.4 a jaw opened wide."""

TUCK_COVER: Final = 0.012
"""How much of the upper teeth a tucked lower lip covers, eye-corner distances."""
NO_TEETH: Final = (0.035, 0.08)
"""How far below and behind the upper lip's edge teeth are thought on avatars without, likewise."""

SKEW_SHIFT: Final = 0.2
"""How far a skewed mouth goes to the larger side, over its opening."""

HEAD_LIGHT_MOST: Final = 0.12
"""No point of a turned head gets brighter or darker by more than this share."""
