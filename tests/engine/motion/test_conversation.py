"""Who speaks becomes phrases, turns, and a moment to think."""

from engine.motion.conversation import LISTENING_FRAMES, THINKING_FRAMES, Conversation


def test_phrases_begin_and_end_once() -> None:
    talk = Conversation()
    seen = []
    for speaking in (False, True, True, False, False):
        talk.follow(speaking, False)
        seen.append((talk.began, talk.ended, talk.silence))
    assert seen == [
        (False, False, 1),
        (True, False, 1),
        (False, False, 1),
        (False, True, 1),
        (False, False, 2),
    ]


def test_who_hears_the_other_side_listens_on_for_a_while_and_then_thinks_once() -> None:
    talk = Conversation()
    for _ in range(30):
        talk.follow(False, True)
        assert talk.listening and not talk.thinking
    assert talk.phrase == 30
    after = []
    for _ in range(2 * LISTENING_FRAMES):
        talk.follow(False, False)
        after.append((talk.listening, talk.thinking))
    assert [listening for listening, _ in after].index(False) == LISTENING_FRAMES - 1
    assert [thinking for _, thinking in after].index(True) == THINKING_FRAMES - 1
    assert sum(thinking for _, thinking in after) == 1


def test_who_answers_neither_listens_nor_thinks() -> None:
    talk = Conversation()
    talk.follow(False, True)
    talk.follow(True, False)
    assert not talk.listening
    for _ in range(THINKING_FRAMES + 1):
        talk.follow(False, False)
        assert not talk.listening and not talk.thinking
