"""The page's message types are those of `engine/messages.py`."""

from __future__ import annotations

import re

from engine import words
from infra import typescript


def test_the_checked_in_file_is_what_would_be_written():
    assert typescript.TARGET.read_text(encoding="utf-8") == typescript.render(), "run `python -m infra.typescript`"


def test_every_record_has_all_its_fields():
    text = typescript.render()
    for kind in typescript.RECORDS:
        body = re.search(rf"^export interface {kind.__name__} \{{\n(.*?)^\}}", text, re.M | re.S)
        assert body, kind.__name__
        assert re.findall(r"^  (\w+): ", body[1], re.M) == list(kind.__struct_fields__)


def test_nanoseconds_reach_a_browser_as_text():
    fields = re.findall(r"^  (\w+_ns): (\w+);", typescript.render(), re.M)
    assert fields
    assert {of for _, of in fields} == {"NanosecondText"}


def test_numbers_that_must_stay_exact_are_decimal_text():
    text = typescript.render()
    for line in ("  quantity: DecimalText;", "  average_price: DecimalText | null;", "  equity: DecimalText;"):
        assert line in text
    assert "bids: readonly (readonly [DecimalText, DecimalText, number])[];" in text


def test_words_are_the_enums_members():
    text = typescript.render()
    assert 'export type Side =\n  | "buy"\n  | "sell";' in text
    for status in words.OrderStatus:
        assert f'| "{status.wire}"' in text


def test_every_mapped_field_exists():
    named = {name for kind in (*typescript.COMMANDS, *typescript.RECORDS) for name in kind.__struct_fields__}
    assert set(typescript.WORD_OF_FIELD) <= named
