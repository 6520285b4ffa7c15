#!/usr/bin/env bash
# Fetches CIFAR-10 in its binary distribution (162 MiB) to data/cifar10/, where the project reads it.
set -euo pipefail

url=${CIFAR10_URL:-https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz}
md5=c32a1d4ab5d03f1284b67883e8d87530 # published on https://www.cs.toronto.edu/~kriz/cifar.html
bytes=170052171
home=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
data_dir=${DCGAN_DATA_DIR:-$home/data}
from=

usage() {
    cat <<TXT
usage: bash data_scripts/get_cifar10.sh [--data-dir DIR] [--from FILE]

Fetches CIFAR-10 (Krizhevsky, 2009; 60,000 images of 32x32 in 10 classes) to DIR/cifar10/, checks it against the published
checksum, and leaves it packed: the reader unpacks it. A broken download goes on where it stopped; a complete one is only
checked.

  --data-dir DIR  where datasets go (default: $data_dir)
  --from FILE     take an archive that you have fetched yourself

Exit codes: 0 it is there; 2 wrong options; 3 the download failed; 4 the archive is not the published one.
TXT
}

fail() {
    echo "get_cifar10: $2" >&2
    exit "$1"
}

while (($#)); do
    case $1 in
    -h | --help) usage && exit 0 ;;
    --data-dir | --from)
        [[ -n ${2:-} ]] || fail 2 "$1 needs a value; see --help."
        if [[ $1 == --from ]]; then from=$2; else data_dir=$2; fi
        shift 2
        ;;
    *) fail 2 "there is no option '$1'; see --help." ;;
    esac
done

archive=$data_dir/cifar10/cifar-10-binary.tar.gz
part=$archive.part
is_complete() { [[ -f $1 && $(md5sum <"$1") == "$md5 "* ]]; }

mkdir -p "$(dirname "$archive")"
if is_complete "$archive"; then
    echo "CIFAR-10 is there already: $archive"
    exit 0
fi
if [[ -n $from ]]; then
    [[ -f $from ]] || fail 2 "there is no file $from."
    cp "$from" "$part"
else
    free=$(($(df -Pk "$data_dir" | awk 'NR == 2 {print $4}') * 1024))
    ((free > 3 * bytes)) || fail 3 "$data_dir has $((free >> 20)) MiB free; 500 MiB are needed."
    [[ -f $part ]] && (($(wc -c <"$part") >= bytes)) && rm "$part" # whole and wrong: begin again
    curl --fail --location --continue-at - --retry 5 --retry-delay 2 --retry-connrefused --progress-bar \
        --output "$part" "$url" || fail 3 "the download of $url failed; run this again to go on where it stopped."
fi
if ! is_complete "$part"; then
    rm -f "$part"
    fail 4 "what came is not the published archive (wrong checksum); it was removed. Try again, or use --from."
fi
mv "$part" "$archive"
echo "CIFAR-10 is in $archive. Next: ./dcgan train --preset report32"
