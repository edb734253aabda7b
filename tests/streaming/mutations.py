"""Seeded damage to SDP, for tests."""

import random
import string

ODD = (
    "0",
    "-1",
    "65536",
    "4294967296",
    "99999999999999999999",
    "",
    " ",
    ":",
    "=",
    "\x00",
    "é",
    "%s",
    "nan",
    "a" * 300,
)


def mutated(text: str, chance: random.Random) -> str:
    """The text with one to four faults: lines lost, doubled, swapped, cut, or with other numbers and characters."""
    lines = text.split("\r\n")
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(lines))
        line = lines[at]
        match chance.randrange(9):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, line)
            case 2:
                other = chance.randrange(len(lines))
                lines[at], lines[other] = lines[other], line
            case 3:
                lines[at] = line[: chance.randint(0, len(line))]
            case 4:
                words = line.split(" ")
                words[chance.randrange(len(words))] = chance.choice(ODD)
                lines[at] = " ".join(words)
            case 5:
                name, colon, _ = line.partition(":")
                lines[at] = name + colon + chance.choice(ODD)
            case 6 if line:
                where = chance.randrange(len(line))
                lines[at] = line[:where] + chance.choice(string.printable) + line[where + 1 :]
            case 7:
                lines[at] = "".join(
                    chance.choice(ODD) if c.isdigit() and chance.random() < 0.3 else c for c in line
                )
            case _:
                del lines[at : at + chance.randint(1, 20)]
        if not lines:
            lines = [""]
    return "\r\n".join(lines)
