#!/usr/bin/env bash
# SVHN: 99,289 digits of house numbers, 32x32. 235 MiB, 1.2 GiB more with --extra; no account.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

files="train_32x32.mat test_32x32.mat extra_32x32.mat"
switches="extra"
extra=""
usage() {
    cat <<TXT
usage: bash data_scripts/get_svhn.sh [--extra] [--data-dir DIR] [--from FILE]…

Fetches the cropped digits of SVHN (Netzer et al., 2011) from http://ufldl.stanford.edu/housenumbers/ to DIR/svhn/:
73,257 pictures of 32x32 for training and 26,032 for testing. In the files label 10 is the digit 0. The authors publish
no checksums; these are torchvision's (torchvision/datasets/svhn.py).

  --extra         also the 531,131 easier pictures
TXT
}

read_options "$@"
uses train_32x32.mat test_32x32.mat ${extra:+extra_32x32.mat}
begin svhn "SVHN is for non-commercial use only, say its authors; http://ufldl.stanford.edu/housenumbers/."
from_stanford() { obtain "$1" "$2" "http://ufldl.stanford.edu/housenumbers/$1" md5 "$3"; }
from_stanford train_32x32.mat 182040794 e26dedcc434d2e4c54c9b2d4a06d8373
from_stanford test_32x32.mat 64275384 eb5a983be6a315427106f1b164d9cef3
[[ -z $extra ]] || from_stanford extra_32x32.mat 1329278602 a93ce644f1a588dc4d68dda5feec44a7
finish "./dcgan train --data svhn"
