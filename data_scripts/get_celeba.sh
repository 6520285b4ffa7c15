#!/usr/bin/env bash
# CelebA: 202,599 aligned faces with 40 attributes, 178x218. 1.4 GiB, no account, or Kaggle's.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

files="img_align_celeba.zip list_attr_celeba.txt list_eval_partition.txt archive.zip"
choices="source=drive|kaggle"
source=""
usage() {
    cat <<TXT
usage: bash data_scripts/get_celeba.sh [--source drive|kaggle] [--data-dir DIR] [--from FILE]…

Fetches the aligned and cropped faces of CelebA (Liu et al., 2015; 202,599 of them, with 40 attributes and the official
splits) to DIR/celeba/. Archives stay packed; the reader reads them as they are.

  --source drive  the authors' Google Drive (default). It often refuses for a day, because too many have asked for the
                  file. Checksums are torchvision's (torchvision/datasets/celeba.py); the authors publish none.
  --source kaggle https://www.kaggle.com/datasets/jessicali9530/celeba-dataset, one archive.zip, with your Kaggle token
                  (the default if that archive is there or given). Its text files are CSV. No checksum is published:
                  that every picture is there and whole, and both tables, is checked. Not confirmed: its size.
TXT
}

read_options "$@"
begin celeba "CelebA is for non-commercial research only and must not be passed on; read the agreement on \
https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html first."
if [[ -z $source ]]; then
    source=drive
    [[ -f $folder/archive.zip && ! -f $folder/img_align_celeba.zip || -n $(given_as archive.zip) ]] && source=kaggle
fi

if [[ $source == kaggle ]]; then
    uses archive.zip
    from_kaggle jessicali9530/celeba-dataset 1500000000 \
        'img_align_celeba/img_align_celeba/\d{6}\.jpg=202599' 'list_attr_celeba\.csv=1' 'list_eval_partition\.csv=1'
else
    advice="wait a day, or use --source kaggle, or fetch it in a browser from the authors' page and use --from FILE"
    uses list_attr_celeba.txt list_eval_partition.txt img_align_celeba.zip
    from_drive() { # FILE SPACE MD5 ID
        obtain "$1" "$2" "https://drive.usercontent.google.com/download?id=$4&export=download&confirm=t" md5 "$3"
    }
    from_drive list_attr_celeba.txt 26721026 75e246fa4810816ffd6ee81facbd244c 0B7EVK8r0v71pblRyaVFSWGxPY0U
    from_drive list_eval_partition.txt 2836386 d32c9cbf5e040fd4025c592c306e6668 0B7EVK8r0v71pY0NSMzRuSXJEVkk
    from_drive img_align_celeba.zip 1443490838 00d2c5bc6d35e252742224ab0c1e8fcb 0B7EVK8r0v71pZjFTYXZWM3FlRnM
fi
finish "./dcgan datasets celeba --show"
