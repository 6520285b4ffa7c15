#!/usr/bin/env bash
# Fetches a dataset by name: hands over to get_NAME.sh.
set -euo pipefail
unset CDPATH # with it, cd may say where it went, or go elsewhere
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

names() { # every script, and what its second line says
    local script
    for script in "$here"/get_*.sh; do
        script=$(basename -- "$script" .sh)
        printf '%-13s %s\n' "${script#get_}" "$(sed -n '2s/^# //p' "$here/$script.sh")"
    done
}

case ${1:-} in
-h | --help)
    cat <<TXT
usage: bash data_scripts/get.sh NAME [options]
       bash data_scripts/get.sh --list

Fetches a dataset, checks it, and puts it where the project reads it. "get.sh NAME --help" tells the options, where it
comes from, and what its owners ask for.

$(names)
TXT
    ;;
--list) names ;;
*)
    [[ ${1:-} =~ ^[a-z0-9_]+$ && -f $here/get_$1.sh ]] || {
        echo "get: there is no dataset '${1:-}'; bash data_scripts/get.sh --list names them." >&2
        exit 2
    }
    exec bash "$here/get_$1.sh" "${@:2}"
    ;;
esac
