"""Documents as counts of words."""

from __future__ import annotations

import re
from pydoc_data.topics import topics

import numpy as np

from jensen.data.raw import Raw
from jensen.errors import JensenError

NUM_DOCUMENTS, NUM_WORDS = 800, 1000
_LENGTH = 60
_WORD = r"[a-z]{3,}"


def python_topics(seed: int) -> Raw:
    """The reference that Python's own help() shows: 800 pieces of 60 words, as counts of the 1,000 commonest words.

    A word is three letters or more, in lower case; scikit-learn's English stop words are left out after the cut. The
    text, and so the counts, are those of the Python that runs.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    pieces = []
    for name in sorted(topics):
        words = re.findall(_WORD, topics[name].lower())
        pieces += [" ".join(words[start : start + _LENGTH]) for start in range(0, len(words) - _LENGTH // 2, _LENGTH)]
    if len(pieces) < NUM_DOCUMENTS:
        raise JensenError(f"python-topics: this Python's help holds {len(pieces)} pieces, expected {NUM_DOCUMENTS}")
    order = np.random.default_rng(seed).permutation(len(pieces))[:NUM_DOCUMENTS]
    vectorizer = CountVectorizer(token_pattern=_WORD, stop_words="english", max_features=NUM_WORDS)
    x = vectorizer.fit_transform([pieces[i] for i in order]).toarray()
    train, validation, test = np.split(np.arange(NUM_DOCUMENTS), [NUM_DOCUMENTS - 200, NUM_DOCUMENTS - 100])
    columns = tuple(vectorizer.get_feature_names_out().tolist())
    return Raw(x, "python-topics", form="counts", top=int(x.max()), columns=columns, parts=(train, validation, test))
