#!/usr/bin/env bash
# The networks that the DCGAN paper's authors trained on SVHN, as arrays. 9.5 MiB, no account.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

source=https://raw.githubusercontent.com/Newmu/dcgan_code/ee12b2d15a3856794b8dae77d1eb263c67c36e47
model=models/svhn_unsup_all_conv_dcgan_100z_gaussian_lr_0.0005_64mb
files=$(printf ' 200_discrim_params.jl_%02d.npy' {1..8} && printf ' 200_gen_params.jl_%02d.npy' {1..10})
files=${files# }
usage() {
    cat <<TXT
usage: bash data_scripts/get_paper_weights.sh [--data-dir DIR] [--from FILE]…

Fetches the generator and the discriminator that Radford, Metz and Chintala trained on SVHN (2015, 200 epochs), 18
arrays of NumPy, from https://github.com/Newmu/dcgan_code to DIR/paper_weights/. "./dcgan import-paper" makes a model of
them. Whoever has a copy of that repository needs no fetching: its folder
$model will do.

The authors publish no checksums; these are of the numbers in the arrays, taken from a copy of the repository. The
addresses name a commit, so nothing else can come. They could not be tried when this was written.
TXT
}

read_options "$@"
begin paper_weights "The weights come under the MIT licence, Copyright (c) 2015 Alec Radford; \
https://github.com/Newmu/dcgan_code."
take() { obtain "$1" $(($2 + 1024)) "$source/$model/$1" values "$3"; }
take 200_discrim_params.jl_01.npy 19200 72f8e8e36590db3ab93abfe708597438c3e237e4b303aa14cccb5f0900a99a69
take 200_discrim_params.jl_02.npy 819200 e467453e59f7379d68f20a6f910b3f4d1d0c50cf019ae762f9018e822f5b8a37
take 200_discrim_params.jl_03.npy 512 72b6e1c67eb9d1c966744b5bd4ac3e111b029f899f1d5cfba8217f4b97f69c7e
take 200_discrim_params.jl_04.npy 512 1710071b282f08fe0c8596a34d506ea44081654232e99a87704c6891168ead5b
take 200_discrim_params.jl_05.npy 3276800 ff493cb04a463f57f8eb8201ea3b641c732049fa83ce4ad46e2764bb6341cc93
take 200_discrim_params.jl_06.npy 1024 9d28647f76f2162f3708ed16d531e9d6cab47d92703cb085de6835b649c623f6
take 200_discrim_params.jl_07.npy 1024 01a62d383085a4d35b62337045a9d28ab026a295f55b5f829eb97444442ec743
take 200_discrim_params.jl_08.npy 16384 c50a54b9fdb8912b53e1a6ac753d1f642b2bdb1b1467ba7f8369d1d91801ab6e
take 200_gen_params.jl_01.npy 1638400 d891238acc6721b9fe4ed0a39fec107e22d0170302300e5390c58a1e19104f5d
take 200_gen_params.jl_02.npy 16384 2be3ba523c828dc5770ca383727dd224f773400c6bc1b23b4e7fb047989bcb71
take 200_gen_params.jl_03.npy 16384 4ece97d3ee2630c850d46d92ffd90adf73c8e294ca2faf2d6a1b7ff859444653
take 200_gen_params.jl_04.npy 3276800 61f3fd05abf9fff7b50842f9388607cb7108a80086a77086b1a64df219677252
take 200_gen_params.jl_05.npy 512 f27d2e9101ccdf758f5ff4404e66aedd7cdc158146b7f7e402621b88c37c5193
take 200_gen_params.jl_06.npy 512 87b24cc8c64d4c9a3574baa05aa7bf0faabfa87bbd74130ac3be9791da8c67ab
take 200_gen_params.jl_07.npy 819200 e0fe5250ff6a6ba9e502fc5d892f92c81b3344ddfae507113603777c92aa9342
take 200_gen_params.jl_08.npy 256 6fd7a84ebc4898cfd22ef47c259419e620008fa54a45078ff7edb123aacbc3d5
take 200_gen_params.jl_09.npy 256 464830d36881cacb05b151109cbfb0dbc74a63b0d96245bb5c36e0a289e6d534
take 200_gen_params.jl_10.npy 19200 33a06a97d3e52008087c523f93e620a31acc9202067252d8895802af119b3183
finish "./dcgan import-paper $(printf %q "$folder") paper_svhn"
