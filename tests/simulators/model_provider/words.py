"""The prose that the simulated models write: plain words of which each is exactly one token in both of OpenAI's
encodings.

So a text made of `n` pieces is `n` tokens, and so is every prefix of it: whoever received `k` chunks holds `k` tokens.
"""

import hashlib
from random import Random

# Lower case, with a space before it: one token in o200k_base and in cl100k_base (a test holds them to it).
_INNER_WORDS = """
the of and to in is that for with as on by from at this are was or which have its their more one all into
other will also has been can when each some time between people about how first many new over two before after
work world system data value model small large number city water light history paper music river mountain
morning evening question answer letter office market street bridge harbor ship border customs house traveler
book page story garden field forest winter summer autumn spring language word sentence idea method result
example problem science nature law trade price cost coin gold silver iron stone wood glass color sound voice
song dance food bread salt sugar coffee tea road journey map compass clock hour day night year century measure
weight length quiet simple careful steady honest bright open clear early late near far under above along
across through often always never slowly quickly together carries brings keeps finds makes takes gives holds
moves turns opens closes counts weighs writes reads speaks listens follows crosses reaches returns
"""
INNER = tuple(_INNER_WORDS.split())

# Capitalised, with and without a space before it: one token in both.
_OPENING_WORDS = """
The In On At This When Each Some Between People How First Many New Two Before After Work World System Data
Small Large Number City Water Light History Paper Music River Mountain Morning Question Answer Letter Office
Market Street Bridge House Book Page Story Field Forest Winter Summer Spring Language Word Method Result
Example Science Nature Trade Price Gold Silver Iron Stone Wood Glass Color Sound Voice
"""
OPENING = tuple(_OPENING_WORDS.split())

_WITHIN = [" " + word for word in INNER]
_FIRST = [" " + word for word in OPENING]
_SENTENCE = 9  # pieces, the full stop among them


def compose(seed: bytes, length: int) -> list[str]:
    """`length` pieces of prose, each one token, the same for the same seed."""
    if length <= 0:
        return []
    random = Random(hashlib.blake2b(seed, digest_size=16).digest())
    pieces = random.choices(_WITHIN, k=length)
    pieces[0] = random.choice(OPENING)
    for end in range(_SENTENCE - 1, length, _SENTENCE):
        pieces[end] = "."
        if end + 1 < length:
            pieces[end + 1] = random.choice(_FIRST)
    if length > 1:
        pieces[-1] = "."
        if pieces[-2] == ".":
            pieces[-2] = random.choice(_WITHIN)
    return pieces
