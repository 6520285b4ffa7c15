# shellcheck shell=bash
# What the scripts share: their options, downloads that go on where they stopped, checks, and unpacking.
#
# A script sets `files`, `choices` and `switches`, defines `usage`, and calls
#   read_options "$@"
#   uses FILE…                          refuses what --from gives beside these files, where options leave some of `files`
#                                       out
#   begin NAME TERMS                    chooses the dataset's folder, and says first what its owners ask for; no other
#                                       run works there until this one has ended
#   obtain FILE SPACE ADDRESS CHECK…    when it returns, FILE is there and has passed CHECK; SPACE is in bytes
#   from_kaggle OWNER/NAME SPACE PATTERN=COUNT…    the same for the archive.zip that a dataset of Kaggle comes as
#   was_unpacked NOTES FOLDER           whether an earlier run has unpacked something there that is still whole
#   unpack FILE PATTERN=COUNT LIMIT NOTES FOLDER
#   finish NEXT                         says which command of the project is next: one that takes --data-dir, or names
#                                       the dataset's folder, as printf %q writes it
# CHECK is "md5 …", "sha256 …", "values …" or "holds PATTERN=COUNT…": see unpack.py, which does the checking and unpacking.
#
# Environment:
#   DCGAN_DATA_DIR     where datasets live; by default data/ in this project
#   DCGAN_PYTHON       the Python to use; by default python3
#   DCGAN_MIRROR       takes the place of scheme and host of every address (http://127.0.0.1:8000). The path stays, and
#                      so do all checks. A Kaggle token is sent to it.
#   DCGAN_RETRY_DELAY  seconds before the second attempt, by default 2; each further one waits twice as long
#   DCGAN_PATIENCE     seconds that a connection may stay silent, by default 60
#   KAGGLE_API_TOKEN, KAGGLE_USERNAME, KAGGLE_KEY, KAGGLE_CONFIG_DIR: as for Kaggle's own tools

unset CDPATH # with it, cd may say where it went, or go elsewhere
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
program=$(basename -- "$0" .sh)
# at_home PATH: with ~ as the shell would have read it; of quoted text, and after =, it leaves that to the program.
at_home() {
    # shellcheck disable=SC2088 # it is the letter that is looked for
    case $1 in "~" | "~/"*) printf '%s\n' "$HOME${1#"~"}" ;; *) printf '%s\n' "$1" ;; esac
}
# in_full PATH: the same, from here on. What is next may be done in another folder than this was.
in_full() {
    local path
    path=$(at_home "$1")
    [[ $path == /* ]] || path=$PWD/$path
    printf '%s\n' "$path"
}
python=$(at_home "${DCGAN_PYTHON:-python3}")
data_dir=$(in_full "${DCGAN_DATA_DIR:-$(dirname -- "$here")/data}")
elsewhere="" # what to add to a command of the project, which would not know of our --data-dir
attempts=5 # that may fail in a row without bringing anything

files=""    # names that --from may have; a single one may be called anything
choices=""  # options of a script that take one of some values: "source=drive|kaggle split=val|train"
switches="" # options of a script that take none
advice="fetch it in a browser, and give it with --from FILE" # what to do when a download is refused

from=()
credentials="" # for curl, in the format of its configuration: never in a command line, which everybody can see

say() { echo "$*"; }
warn() { echo "$program: $*" >&2; }
fail() { # CODE MESSAGE
    warn "$2"
    exit "$1"
}
trap 'fail 130 "stopped; run it again to go on."' INT

common_usage() {
    cat <<TXT

  --data-dir DIR  where datasets live (default: $data_dir)
  --from FILE     take a file that you have fetched yourself; may be given several times
$(fold -s -w 100 <<<"(known by name: ${files// /, })" | sed 's/^/                  /; s/ $//')

A broken download goes on where it stopped when this is run again. What is there already is only checked; what is
damaged is named, removed and fetched anew; what cannot be read is left as it is.

Exit codes: 0 all is there; 2 wrong options, or something is missing that this script needs, or another run is at work;
3 the download failed, try again; 4 a file is not what it should be; 5 not enough space; 6 an account is needed, or
terms have to be accepted; 7 a file could not be checked, copied or unpacked.
TXT
}

read_options() {
    local option known allowed
    while (($#)); do
        [[ $1 == -h || $1 == --help ]] && usage && common_usage && exit 0
        option=${1#--}
        if [[ $1 == --?* && " $switches " == *" $option "* ]]; then
            printf -v "${option//-/_}" yes
            shift
            continue
        fi
        allowed=""
        for known in data-dir=any from=any $choices; do
            [[ $1 == "--${known%%=*}" ]] && allowed=${known#*=}
        done
        [[ -n $allowed ]] || fail 2 "there is no option '$1'; see --help."
        [[ -n ${2:-} ]] || fail 2 "$1 needs a value; see --help."
        case $1 in
        --data-dir)
            data_dir=$(in_full "$2")
            elsewhere=" --data-dir $(printf %q "$data_dir")"
            ;;
        --from)
            set -- --from "$(at_home "$2")" "${@:3}"
            [[ -f $2 ]] || fail 2 "there is no file $2."
            [[ $files != *" "* || " $files " == *" $(basename -- "$2") "* ]] ||
                fail 2 "--from should be a file called ${files// / or }. Received: $2."
            from+=("$2")
            ;;
        *)
            [[ "|$allowed|" == *"|$2|"* ]] || fail 2 "$1 should be ${allowed//|/ or }. Received: $2."
            printf -v "$option" %s "$2"
            ;;
        esac
        shift 2
    done
    # shellcheck disable=SC2086 # no name holds a space
    uses $files
}

uses() {
    local file name names=$*
    for file in ${from[@]+"${from[@]}"}; do
        for name in "$@"; do [[ $(given_as "$name") != "$file" ]] || continue 2; done
        fail 2 "--from $file would not be used: with these options one file is taken as ${names// / and one as }; \
see --help."
    done
}

begin() {
    folder=$data_dir/$1
    say "$2"
    command -v curl >/dev/null || fail 2 "curl is needed; install it."
    "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
        fail 2 "Python 3.10 or later is needed; name it with DCGAN_PYTHON=/path/to/python3."
    mkdir -p -- "$folder" 2>/dev/null || fail 2 "$folder cannot be made; name another place with --data-dir."
    [[ -w $folder ]] || fail 2 "$folder cannot be written to; name another place with --data-dir."
    work_alone
}

# Two runs would write into the same files. The lock is on the open file 9, which a curl that outlives this shell has
# too: the system frees it when the last of them has ended, however they end. The file stays, and locks nothing then.
work_alone() {
    lock=$folder/.fetching
    { exec 9>>"$lock"; } 2>/dev/null || fail 2 "$lock cannot be written; remove it if it is there, or name another place with --data-dir."
    passes alone "$lock" ||
        fail 2 "another run is at work in $folder; wait until it has ended, or end it, and run this again."
}

finish() {
    [[ $1 != *" $(printf %q "$folder")"* ]] || elsewhere=""
    say "$folder is complete. Next: $1$elsewhere"
}

# passes CHECK FILE …: whether a file is what it should be; if not, `trouble` says what it is, and `code` how to exit.
# Whoever calls it may then remove the file. So it returns only if the check has come to an answer; a check that could
# not read the file, or was killed, says nothing about it, and is the end.
passes() {
    local doing=checked otherwise="remove it to have it fetched anew"
    case $1 in
    unpack) doing=unpacked ;;
    copy) doing=copied otherwise="leave out --from to have it fetched" ;;
    esac
    code=0
    trouble=$("$python" -I "$here/unpack.py" "$@") || code=$?
    case $code in
    0) ;;
    [3-6]) return 1 ;;
    *) fail 7 "$2 could not be $doing: ${trouble:-Python ended with code $code}; it is left as it is. Mend the cause and \
run this again, or $otherwise." ;;
    esac
}

obtain() {
    local name=$1 space=$2 address=$3 check=$4 file=$folder/$1 part=$folder/$1.part given copy begun
    shift 4
    if [[ -f $file ]]; then
        say "Checking $file"
        passes "$check" "$file" "$@" && say "$name is there and whole." && return
        warn "$file is $trouble; it is removed and fetched anew."
        rm -- "$file"
    fi
    given=$(given_as "$name")
    if [[ -n $given ]]; then
        copy=$part.again # beside what an earlier run left, which stays until the file is there
        make_room "$name" "$space" "$copy"
        say "Copying $given"
        passes copy "$given" "$copy" || fail "$code" "$given is $trouble."
        if ! passes "$check" "$copy" "$@"; then
            rm -f -- "$copy"
            fail 4 "$given is $trouble."
        fi
        mv -- "$copy" "$part"
    else
        make_room "$name" "$space" "$part"
        while true; do
            begun=$(size "$part")
            download "$name" "$address" "$part"
            passes "$check" "$part" "$@" && break
            rm -f -- "$part"
            ((begun && code == 4)) || fail "$code" "what came for $name is $trouble. What to do: $advice."
            warn "what came for $name is $trouble. It began with what an earlier run left, so it is fetched once more."
        done
    fi
    mv -- "$part" "$file"
    rm -f -- "$part.again"
    say "$name is there and whole."
}

# given_as NAME: the file of --from that takes its place, or nothing.
given_as() {
    local file
    for file in ${from[@]+"${from[@]}"}; do
        if [[ $files != *" "* || $(basename -- "$file") == "$1" ]]; then
            echo "$file"
            return
        fi
    done
}

size() { if [[ -f $1 ]]; then wc -c <"$1"; else echo 0; fi; }

make_room() { # NAME SPACE PART
    local free needed
    # The last columns, for what is mounted may have spaces in its name: … available, used %, where.
    free=$(($(df -Pk "$folder" | awk 'NR == 2 {for (i = NF; i > 1; i--) if ($i ~ /^[0-9]+%$/) {print $(i - 1); exit}}') / 1024))
    needed=$((($2 - $(size "$3")) / 1048576 + 1))
    ((free > needed)) || fail 5 "$1 needs $needed MiB, and $folder has $free MiB free."
}

# download NAME ADDRESS PART: fetches what is not in PART yet. The loop is ours, for curl's own --retry does not go on
# where the last attempt broke off, but where the first one began.
download() {
    local name=$1 address=$2 part=$3 target=$3 resume=-C- bar=--progress-bar failed=0 delay=${DCGAN_RETRY_DELAY:-2}
    local before status http
    [[ $address != https://www.kaggle.com/* ]] || take_token
    [[ -n ${DCGAN_MIRROR:-} ]] && address=${address#*://} && address=${DCGAN_MIRROR%/}/${address#*/}
    [[ -t 2 ]] || bar=-sS
    say "Fetching $name from ${address%%\?*}"
    while true; do
        before=$(size "$target")
        status=0
        http=$(printf '%s\n' "$credentials" | curl --config - --fail --location --proto =http,https $bar \
            --connect-timeout 30 --speed-limit 1 --speed-time "${DCGAN_PATIENCE:-60}" ${resume:+"$resume"} \
            --output "$target" --write-out '%{http_code}' "$address") || status=$?
        case $status:$http in
        *:416 | 0:*) break ;; # 416: all of it is there
        33:*) # the server cannot go on: begin again, but beside what is there, for it may be a web page that comes
            resume="" target=$part.again
            continue
            ;;
        23:*) fail 5 "$target cannot be written; is the disk full?" ;;
        22:401 | 22:403 | 22:407) fail 6 "the server refuses to give $name away ($http). What to do: $advice." ;;
        22:408 | 22:429 | 22:5??) ;;
        22:*) fail 3 "there is no $name at $address any more ($http). What to do: $advice." ;;
        1:* | 3:* | 60:*) fail 3 "$address cannot be used (curl says $status)." ;;
        esac
        [[ -n $resume ]] && (($(size "$target") > before)) && failed=0 delay=${DCGAN_RETRY_DELAY:-2}
        ((++failed < attempts)) || fail 3 "the download of $name broke off $attempts times (curl says $status, HTTP \
$http); run this again later to go on where it stopped, or $advice."
        warn "the download of $name broke off (curl says $status, HTTP $http); next attempt in $delay s."
        sleep "$delay"
        delay=$((delay * 2))
    done
    if [[ $target != "$part" ]]; then
        if ! passes page "$target"; then
            rm -f -- "$target"
            fail "$code" "what came for $name is $trouble. What to do: $advice."
        fi
        mv -- "$target" "$part"
    fi
}

was_unpacked() {
    if [[ ! -f $1 ]]; then
        [[ ! -e $2 || $2 == "$folder" ]] || fail 4 "$2 is there, but not from this source, or this script did not unpack it; move it away."
        return 1
    fi
    say "Checking $2"
    passes verify "$2" "$1" && say "$2 is there and whole." && return
    warn "$2 is $trouble; it is fetched anew."
    return 1
}

unpack() { # the archive is removed afterwards: what is wanted of it is on the disk in FOLDER, with checksums in NOTES
    say "Unpacking $1"
    passes unpack "$folder/$1" "${@:2}" || fail "$code" "$folder/$1 is $trouble."
    rm -- "$folder/$1"
}

from_kaggle() { obtain archive.zip "$2" "https://www.kaggle.com/api/v1/datasets/download/$1" holds "${@:3}"; }

# Puts the user's Kaggle token into `credentials`, or says how to get one.
take_token() {
    local home=${KAGGLE_CONFIG_DIR:-$HOME/.kaggle}
    local token=${KAGGLE_API_TOKEN:-} user=${KAGGLE_USERNAME:-} key=${KAGGLE_KEY:-}
    if [[ -z $token && ( -z $user || -z $key ) ]]; then
        if [[ -f $home/access_token ]]; then
            token=$(<"$home/access_token")
        elif [[ -f $home/kaggle.json ]]; then
            read -r user key < <("$python" -I -c 'import json, sys
account = json.load(open(sys.argv[1], encoding="utf-8-sig"))
print(account["username"], account["key"])' "$home/kaggle.json" 2>/dev/null) ||
                fail 6 "$home/kaggle.json holds no username and key; make one on https://www.kaggle.com/settings/api."
        fi
    fi
    token=${token//$'\r'/} user=${user//$'\r'/} key=${key//$'\r'/} # Windows ends lines with it
    if [[ $token =~ ^[A-Za-z0-9_.-]+$ ]]; then
        credentials="header = \"Authorization: Bearer $token\""
    elif [[ $user:$key =~ ^[A-Za-z0-9_.-]+:[A-Za-z0-9_.-]+$ ]]; then
        credentials="user = \"$user:$key\""
    elif [[ -n $token || ( -n $user && -n $key ) ]]; then
        fail 6 "the Kaggle token (or user and key) that was found holds more than letters, digits and the signs _ . -; \
copy it anew, or make another on https://www.kaggle.com/settings/api."
    else
        fail 6 "Kaggle needs an account: make a token on https://www.kaggle.com/settings/api and save it as \
$home/access_token (an older one as kaggle.json), or set KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY."
    fi
}
