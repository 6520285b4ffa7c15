#!/usr/bin/env bash
# ImageNet, downsampled: 1,331,167 pictures of 32x32 in 1,000 classes. 3.5 GiB, ImageNet account.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

files="Imagenet32_train_npz.zip Imagenet32_val_npz.zip"
switches="accept-terms"
accept_terms=""
usage() {
    cat <<TXT
usage: bash data_scripts/get_imagenet32.sh [--accept-terms] [--data-dir DIR] [--from FILE]…

Unpacks ImageNet, downsampled to 32x32 (Chrabaszcz et al., 2017; arXiv:1707.08819), to DIR/imagenet32/: ten files
train_data_batch_1.npz to _10.npz (1,281,167 pictures) and val_data.npz (50,000). The archives are removed then.

ImageNet asks for an account: sign in on https://image-net.org/download-images, accept its terms, fetch
Imagenet32_train_npz.zip and Imagenet32_val_npz.zip ("npz format", 32x32), and give both with --from. The other format,
without npz in its name, is Python pickles, which this project does not read.

  --accept-terms  you have an account and have accepted the terms: fetch both archives from
                  https://image-net.org/data/downsample/ (not confirmed: that it answers without being signed in)

ImageNet publishes no checksums; these were recorded by TensorFlow Datasets (imagenet_resized/checksums.tsv).
TXT
}

read_options "$@"
begin imagenet32 "ImageNet is for non-commercial research and education only, and needs an account; its terms are on \
https://image-net.org/download."
advice="sign in on https://image-net.org/download-images, fetch it in a browser and use --from FILE"

get() { # FILE SPACE SHA256 PATTERN=COUNT
    local notes=$folder/$1.sha256
    was_unpacked "$notes" "$folder" && return
    [[ -n $accept_terms || -n $(given_as "$1.zip") || -f $folder/$1.zip ]] ||
        fail 6 "$1.zip needs an account: $advice; with an account and the terms accepted, --accept-terms fetches it."
    obtain "$1.zip" "$2" "https://image-net.org/data/downsample/$1.zip" sha256 "$3"
    unpack "$1.zip" "$4" 8000000000 "$notes" "$folder"
}
get Imagenet32_val_npz 400000000 013990e6dec1237dcd1f9beadbab81ead6604cc119af5cacbfb59ae28148377a \
    '(.*/)?val_data\.npz=1'
get Imagenet32_train_npz 8000000000 94226337ecc1b0309d9fcd0167127aaadc931587035fbcb53925235edbaec4fc \
    '(.*/)?train_data_batch_([1-9]|10)\.npz=10'
finish "./dcgan datasets imagenet32 --show"
