#!/usr/bin/env python3
"""Puts the list of common passwords together: one on each line, sorted, in the form in which the studio
looks them up (Unicode NFKC, lower case).

Shorter ones than any policy allows are left out, and room is made for more of those that could be chosen:
the 100 000 most common of at least 8 characters, and every one of at least 15.
"""

import gzip
import json
import sys
import unicodedata

LEAST = 8
LONG = 15
MOST_COMMON = 100_000


def normal(line):
    return unicodedata.normalize("NFKC", line.strip("\r\n")).lower()


def main(million, zxcvbn, django):
    with open(million, encoding="utf-8", errors="strict") as file:
        ranked = [word for word in map(normal, file) if len(word) >= LEAST]
    words = set(list(dict.fromkeys(ranked))[:MOST_COMMON])
    words.update(word for word in ranked if len(word) >= LONG)
    with open(zxcvbn, encoding="utf-8") as file:
        words.update(word for word in map(normal, json.load(file)) if len(word) >= LEAST)
    with gzip.open(django, "rt", encoding="utf-8") as file:
        words.update(word for word in map(normal, file) if len(word) >= LEAST)
    words = {word for word in words if not any(unicodedata.category(c) == "Cc" for c in word)}
    sys.stdout.writelines(word + "\n" for word in sorted(words))


if __name__ == "__main__":
    main(*sys.argv[1:])
