"""Reads the tables in `tables/`: what a trader expects of the book, command by command (`table_player` plays them).

A file holds cases. A case begins with `== title` and has up to three parts:

    book before             orders that rest at the start, in order of arrival
        ann a1 sell 100 @ 10.01
    commands                each with its reports below it, all of them and in order, and at last the reply (`=`)
        > bob b1 buy 150 @ 10.01 ioc
          b1 new       leaves 150
          a1 trade     100 @ 10.01 maker filled
          b1 trade     100 @ 10.01 taker partially_filled leaves 50
          b1 canceled  leaves 0 reason no_liquidity
          = accepted canceled filled 100
    book after              every level, highest price first: side, price, quantity, orders; or `empty`
        empty

Orders: `ACCOUNT ID buy|sell QUANTITY [SYMBOL] TYPE …`, where the type is `@ PRICE` (limit), `market`, `stop PRICE`,
`stop PRICE @ PRICE` (stop-limit), `trail AMOUNT` or `trail 1.5%`, and behind it may stand a time in force (`gtd 60`:
good till second 60), `show QUANTITY`, `post_only`, `reduce_only` and `self_trade RULE`. A list of orders is one
command: `ACCOUNT oco|oto|bracket LEG + LEG [+ LEG]`, with one reply a leg.

Other commands: `ACCOUNT cancel ID`, `ACCOUNT replace ID [quantity Q] [price P] [stop P]`, `ACCOUNT cancel all [SYMBOL]
[buy|sell]`; `phase PHASE [SYMBOL] [ends SECOND]`, `halt [SYMBOL]`, `resume [SYMBOL]`, `timer`, `kill ACCOUNT|everyone
[off]`, `limits ACCOUNT [SYMBOL] NAME VALUE …`, `fees ACCOUNT maker PPM taker PPM`, `deposit ACCOUNT AMOUNT`,
`split NEW:OLD [SYMBOL]`, `dividend AMOUNT [SYMBOL]`.

`at SECOND` at the end of a command sets the clock, which stands at 1 in the beginning and else does not move. `with
FIELD NUMBER …` sets fields of its record as they are. An order is named by its client order id, or with `#` before it
by the number that the engine gave it (`#77` where no order has that id: the number 77).

Between commands a line may look at something: `? phase PHASE [SYMBOL]`, `? indicative PRICE QUANTITY [SYMBOL]` (`0 0`
where nothing would trade), `? position ACCOUNT QUANTITY [cost C] [cash C] [realized R] [fees F] [SYMBOL]`, `? bid|ask
PRICE QUANTITY ORDERS`, `? no ask at PRICE`, `? expiry SECOND|never` (when an order's time is over next).

Reports and replies: what is not said is not looked at, except that a reason, a field and a fee that are not mentioned
must not be there, that the order's number must be the one it was given (`order none`: 0), and that a command without
a reply line must be accepted.

Before the parts a line may set the stage: `engine max_orders 2`, `instrument tick 0.5 lot 0.001 maker -20`, `account
ann deposit 1000 margin 2 firm red self_trade cancel_oldest scope firm`. There are two instruments, XYZ and ABC, which
`instrument` sets alike; a command that names none means XYZ. Lines that start with `#` are remarks.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

PARTS: Final = ("book before", "commands", "book after")


class Step(NamedTuple):
    command: list[str]
    answers: list[list[str]]


class Case(NamedTuple):
    title: str
    engine: dict[str, int]
    instrument: dict[str, Decimal]
    accounts: dict[str, dict[str, str]]
    before: list[list[str]]
    steps: list[Step]
    """Commands, and looks (their first word is `?`)."""
    after: list[list[str]] | None
    """None: the table does not say."""


def read(path: Path) -> list[Case]:
    """The cases of one file. Raises ValueError, with the line, where it is not in the format."""
    cases: list[Case] = []
    part = ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split()
        try:
            if not words or line.lstrip().startswith("# "):
                continue
            if words[0] == "==":
                cases.append(Case(" ".join(words[1:]), {}, {}, {}, [], [], None))
                part = ""
            elif " ".join(words) in PARTS:
                part = " ".join(words)
                if part == "book after":
                    cases[-1] = cases[-1]._replace(after=[])
            elif part:
                _read_in_part(cases[-1], part, words)
            else:
                _read_stage(cases[-1], words)
        except (ValueError, IndexError, ArithmeticError) as error:
            raise ValueError(f"{path.name}:{number}: {line.strip()!r}: {error}") from error
    return cases


def _read_stage(case: Case, words: list[str]) -> None:
    match words[0]:
        case "engine":
            case.engine.update(pairs(words[1:], int))
        case "instrument":
            case.instrument.update(pairs(words[1:], Decimal))
        case "account":
            case.accounts[words[1]] = pairs(words[2:], str)
        case _:
            raise ValueError("no part of a case")


def _read_in_part(case: Case, part: str, words: list[str]) -> None:
    if part == "book before":
        case.before.append(words)
    elif part == "book after":
        assert case.after is not None
        case.after.extend([] if words == ["empty"] else [words])
    elif words[0] == ">":
        case.steps.append(Step(words[1:], []))
    elif words[0] == "?":
        case.steps.append(Step(words, []))
    else:
        case.steps[-1].answers.append(words)


def pairs(words: list[str], convert: Callable[[str], Any]) -> dict[str, Any]:
    return {name: convert(value) for name, value in zip(words[::2], words[1::2], strict=True)}
