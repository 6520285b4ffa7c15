#!/usr/bin/env bash
# CIFAR-10: 60,000 pictures of 32x32 in ten classes, binary distribution. 162 MiB, no account.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

files="cifar-10-binary.tar.gz"
usage() {
    cat <<TXT
usage: bash data_scripts/get_cifar10.sh [--data-dir DIR] [--from FILE]

Fetches CIFAR-10 (Krizhevsky, 2009; 50,000 pictures of 32x32 for training and 10,000 for testing, ten classes) from
https://www.cs.toronto.edu/~kriz/cifar.html to DIR/cifar10/. The checksum is the one that this page gives. The archive
stays packed; the reader unpacks it elsewhere, while it prepares the images.
TXT
}

read_options "$@"
begin cifar10 "CIFAR-10 comes without a stated licence; its author asks to cite Krizhevsky, 2009: Learning Multiple \
Layers of Features from Tiny Images."
obtain cifar-10-binary.tar.gz 170052171 https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz \
    md5 c32a1d4ab5d03f1284b67883e8d87530
finish "./dcgan train --data cifar10"
