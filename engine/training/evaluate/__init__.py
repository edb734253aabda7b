"""Quality on real media: lips that follow speech, mouths that fit its sounds and shut where they must, lips shut in
silence, a face in every frame, a head that is real enough, pictures like those of the video that it was taken from."""

from engine.training.evaluate.contact import evaluate_contact
from engine.training.evaluate.faces import evaluate_faces
from engine.training.evaluate.head import evaluate_head
from engine.training.evaluate.lips import evaluate_lips
from engine.training.evaluate.motion import evaluate_captured, evaluate_motion
from engine.training.evaluate.pose import evaluate_pose
from engine.training.evaluate.report import Bar, Report
from engine.training.evaluate.silence import evaluate_silence
from engine.training.evaluate.speak import AvatarMaker
from engine.training.evaluate.video import evaluate_video

__all__ = [
    "AvatarMaker",
    "Bar",
    "Report",
    "evaluate_captured",
    "evaluate_contact",
    "evaluate_faces",
    "evaluate_head",
    "evaluate_lips",
    "evaluate_motion",
    "evaluate_pose",
    "evaluate_silence",
    "evaluate_video",
]
