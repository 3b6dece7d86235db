"""Read scenarios: what a person, a bad cable and the time do, one action a line.

    id-1 insert Y         # a comment
    wait 1.5
    repeat 3              # without a number: for ever
      id-1 insert resident seed=7
      wait 2
      id-1 remove
    end

A scenario is read into steps and repeats; what the words mean is the affair of bench and devices.
"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from simulators.words import ScenarioError, to_number

REPEAT, END, WAIT = "repeat", "end", "wait"
KEYWORDS = frozenset((REPEAT, END, WAIT))
MOST_REPEATS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """One action: its words, and ``file:line``."""

    words: tuple[str, ...]
    where: str


@dataclass(frozen=True, slots=True)
class Repeat:
    """Steps done ``count`` times, None for ever."""

    count: int | None
    body: "Scenario"


Scenario = tuple[Step | Repeat, ...]


def split_line(line: str) -> tuple[str, ...]:
    """Split a line like a shell does; ``#`` begins a comment at the start of a word only."""
    try:
        return tuple(shlex.split(_without_comment(line)))
    except ValueError as error:
        raise ScenarioError(f"unfinished quotation or escape ({error})") from None


def read_scenario(path: Path) -> Scenario:
    """Read a scenario file (UTF-8)."""
    try:
        return parse(path.read_text(encoding="utf-8"), path.name)
    except OSError as error:
        raise ScenarioError(f"cannot read the scenario: {error.strerror}", str(path)) from error
    except UnicodeDecodeError as error:
        raise ScenarioError(f"is not UTF-8 (byte {error.start})", str(path)) from error


def parse(text: str, source: str = "scenario") -> Scenario:
    """Read scenario text; ``source`` stands before the line number in complaints."""
    stack: list[tuple[int | None, str, list[Step | Repeat]]] = [(None, "", [])]
    for number, line in enumerate(text.splitlines(), start=1):
        where = f"{source}:{number}"
        try:
            words = split_line(line)
            if not words:
                continue
            if words[0] == REPEAT:
                stack.append((_count(words), where, []))
            elif words[0] == END:
                _expect_alone(words, is_open=len(stack) > 1)
                count, _, body = stack.pop()
                stack[-1][2].append(Repeat(count, tuple(body)))
            else:
                stack[-1][2].append(Step(words, where))
        except ScenarioError as error:
            raise error.at(where) from None
    if len(stack) > 1:
        raise ScenarioError("this repeat has no end", stack[-1][1])
    return tuple(stack[0][2])


def steps(scenario: Scenario) -> Iterator[Step]:
    """Give every step once, in the order of the text, to be checked."""
    for part in scenario:
        if isinstance(part, Step):
            yield part
        else:
            yield from steps(part.body)


def unrolled(scenario: Scenario) -> Iterator[Step]:
    """Give the steps as they are done, possibly for ever."""
    for part in scenario:
        if isinstance(part, Step):
            yield part
            continue
        done = 0
        while part.body and (part.count is None or done < part.count):
            yield from unrolled(part.body)
            done += 1


def _without_comment(line: str) -> str:
    quote, escaped, before = "", False, " "
    for index, char in enumerate(line):
        if escaped:
            escaped = False
        elif char == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "#" and before.isspace():
            return line[:index]
        before = char
    return line


def _count(words: tuple[str, ...]) -> int | None:
    match words[1:]:
        case ():
            return None
        case (number,):
            return to_number(number, "the number of times", 1, MOST_REPEATS)
    raise ScenarioError("repeat takes one number, or none")


def _expect_alone(words: tuple[str, ...], *, is_open: bool) -> None:
    if len(words) > 1:
        raise ScenarioError("end stands alone")
    if not is_open:
        raise ScenarioError("this end has no repeat")
