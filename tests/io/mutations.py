"""Random damage to text files, as typing, copying and half-written disks do it."""

import random
import re

NUMBER = re.compile(r"(?<![\w.])-?\d+\.?\d*(?:[eE][-+]?\d+)?(?![\w.])")
FIGURES = ["nan", "-1", "0", "1e30", "x", "inf", "", "1e-30", "12,5", "-0.0"]


def mutate(text: str, seed: int) -> str:
    """The text with one to three damages; the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        text = rng.choice(DAMAGES)(text, rng)
    return text


def _lines(text, rng):
    lines = text.split("\n")
    return lines, rng.randrange(len(lines))


def _drop_line(text, rng):
    lines, i = _lines(text, rng)
    return "\n".join(lines[:i] + lines[i + 1:])


def _repeat_line(text, rng):
    lines, i = _lines(text, rng)
    return "\n".join([*lines[:i + 1], *lines[i:]])


def _move_line(text, rng):
    lines, i = _lines(text, rng)
    line = lines.pop(i)
    lines.insert(rng.randrange(len(lines) + 1), line)
    return "\n".join(lines)


def _truncate(text, rng):
    return text[:rng.randrange(len(text) + 1)]


def _drop_letter(text, rng):
    i = rng.randrange(max(1, len(text)))
    return text[:i] + text[i + 1:]


def _swap_letter(text, rng):
    i = rng.randrange(max(1, len(text)))
    return text[:i] + rng.choice("abcxyz0123456789.,;=-!\"'() \t\x00é") + text[i + 1:]


def _change_number(text, rng):
    found = list(NUMBER.finditer(text))
    if not found:
        return text
    match = rng.choice(found)
    value = rng.choice([*FIGURES, str(-float(match[0])), str(float(match[0]) * 1000),
                        str(float(match[0]) / 1000)])
    return text[:match.start()] + value + text[match.end():]


def _swap_words(text, rng):
    lines, i = _lines(text, rng)
    words = lines[i].split()
    if len(words) > 1:
        a, b = rng.sample(range(len(words)), 2)
        words[a], words[b] = words[b], words[a]
        lines[i] = " ".join(words)
    return "\n".join(lines)


DAMAGES = [_drop_line, _repeat_line, _move_line, _truncate, _drop_letter, _swap_letter,
           _change_number, _change_number, _change_number, _swap_words]
