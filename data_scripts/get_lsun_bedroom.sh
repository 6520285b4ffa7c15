#!/usr/bin/env bash
# LSUN bedrooms: 300, a sample of 303,125, or all 3,033,042. 4.5 MiB, 4.5 GiB (Kaggle account) or 43 GiB.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

files="bedroom_val_lmdb.zip bedroom_train_lmdb.zip archive.zip"
choices="source=official|kaggle split=val|train"
source="" split=""
usage() {
    cat <<TXT
usage: bash data_scripts/get_lsun_bedroom.sh [--split val|train] [--data-dir DIR] [--from FILE]
       bash data_scripts/get_lsun_bedroom.sh --source kaggle [--data-dir DIR] [--from FILE]

Fetches the bedrooms of LSUN (Yu et al., 2015) to DIR/lsun_bedroom/. How many of them to use is a setting of the
training: the first so many by key, always the same.

  --split val     the 300 bedrooms for validation, 4.5 MiB: a small try (default)
  --split train   all 3,033,042 bedrooms, 43 GiB; takes about 100 GiB while it is unpacked (not confirmed: how much the
                  database takes then)
  --source kaggle the 20% sample https://www.kaggle.com/datasets/jhoward/lsun_bedroom with your Kaggle token: 303,125
                  JPEGs below data0/lsun/bedroom/, about 4.5 GiB (not confirmed), in one archive.zip that stays packed.
                  No checksum is published: that every picture is there and whole is checked. This is what the report
                  used.

The official archives are those of https://github.com/fyu/lsun (download.py), checked with the checksums that TensorFlow
Datasets recorded (url_checksums/lsun.txt); the authors publish none. The database is unpacked and the archive removed.
TXT
}

read_options "$@"
[[ -n $(given_as archive.zip) ]] && source=${source:-kaggle}
if [[ $source == kaggle ]]; then
    [[ -z $split ]] || fail 2 "--split is for --source official; the sample on Kaggle has no splits."
    uses archive.zip
else
    [[ -n $(given_as bedroom_train_lmdb.zip) ]] && split=${split:-train}
    split=${split:-val}
    database=bedroom_${split}_lmdb
    uses "$database.zip"
fi
begin lsun_bedroom "LSUN comes without a stated licence: its pictures were found on the web and belong to whoever took \
them; https://www.yf.io/p/lsun."

if [[ $source == kaggle ]]; then
    from_kaggle jhoward/lsun_bedroom 5000000000 'data0/lsun/bedroom/.+\.jpg=303125'
else
    if [[ $database == bedroom_train_lmdb ]]; then
        space=107374182400 limit=100000000000 sha256=a15644c2e7153106867f0adb3491fc41224102d1f01b24494fb47d9f5d1f174e
    else
        space=20000000 limit=100000000 sha256=5d022e781b241c25ec2e1f1f769afcdb8091d7fd58362667aec03137b8114b12
    fi
    if ! was_unpacked "$folder/$database.sha256" "$folder/$database"; then
        obtain "$database.zip" $space "http://dl.yf.io/lsun/scenes/$database.zip" sha256 $sha256
        # lock.mdb is left behind: LMDB makes it when it is needed, and readers write to it
        unpack "$database.zip" "$database/data\\.mdb=1" $limit "$folder/$database.sha256" "$folder/$database"
    fi
fi
finish "./dcgan datasets lsun_bedroom --split ${split:-train} --show" # the sample is read as train
