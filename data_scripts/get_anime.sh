#!/usr/bin/env bash
# Anime faces: 63,632 in many sizes, or 21,551 of 64x64. About 400 MiB, Kaggle account.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

files="archive.zip"
choices="source=splcher|soumikrakshit"
source=splcher
usage() {
    cat <<TXT
usage: bash data_scripts/get_anime.sh [--source splcher|soumikrakshit] [--data-dir DIR] [--from FILE]

Fetches drawn faces, cut from pictures of www.getchu.com, with your Kaggle token, and unpacks them to DIR/anime/images/.
The archive is removed then.

  --source splcher        https://www.kaggle.com/datasets/splcher/animefacedataset: JPEGs of many sizes (default). Their
                          number is 63,632 by that page (not confirmed): 63,000 to 64,000 are accepted.
  --source soumikrakshit  https://www.kaggle.com/datasets/soumikrakshit/anime-faces: 21,551 PNGs of 64x64, of which a
                          fifth are duplicates. The archive holds them all twice (data/ and data/data/); one is taken.

No checksums are published for either: that the pictures are there and whole is checked. Not confirmed: their sizes.
TXT
}

read_options "$@"
begin anime "The drawings belong to whoever drew them; who collected them asks to use them for education only \
(https://github.com/bchao1/Anime-Face-Dataset)."
if [[ $source == splcher ]]; then
    name=animefacedataset wanted='images/[^/]+\.jpg=63000-64000'
else
    name=anime-faces wanted='data/[^/]+\.png=21551'
fi
# Both sources are unpacked to the same folder. Notes of pictures that were moved away would let these in again, among
# those of the other source.
[[ -e $folder/images ]] || rm -f -- "$folder"/*.sha256
if ! was_unpacked "$folder/$name.sha256" "$folder/images"; then
    from_kaggle "$source/$name" 1500000000 "$wanted"
    unpack archive.zip "$wanted" 4000000000 "$folder/$name.sha256" "$folder/images"
fi
finish "./dcgan datasets anime --show"
