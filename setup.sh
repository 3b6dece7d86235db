#!/bin/sh
# Prepare this checkout: Debian packages, .venv from the hash-pinned lock, and hall-edge itself in it.
#
#   sh setup.sh demo    what `make demo` needs
#   sh setup.sh test    what `make test` needs: the same, the tools, and the programs that the tests talk to
#   sh setup.sh package what `make deb` and `make package-test` need: the tools, and what builds Debian packages
#   sh setup.sh vm      what `make vm-test` needs: the tools, and a whole PC as a program
#
# Safe to repeat and to interrupt: the stamp in .venv is written last, and a .venv without one is built
# anew. PYTHON=/path/to/python3 chooses the interpreter.
set -eu
cd "$(dirname "$0")"
mode=${1-}
case $mode in
    demo) lock=requirements/demo.txt ;;
    test | package | vm) lock=requirements/dev.txt ;;
    *) echo "usage: setup.sh demo|test|package|vm" >&2; exit 2 ;;
esac
unset PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
PATH=$PATH:${SBIN:-/usr/sbin:/usr/local/sbin} # mosquitto is not on a user's PATH

debian="python3 python3-venv" # Python >= 3.11 is what Debian 12 and newer have
case $mode in
    # What the tests talk to: a broker, a smart-card service with a virtual reader, scanner programs, devices that
    # udev and the kernel's interfaces show, a compiler for a camera's, systemd's own checks, a TPM as a program, a
    # browser with a Chinese font, and what shows manual pages.
    test)
        purpose="what the tests talk to (the demo does without)"
        partners="mosquitto pcscd vsmartcard-vpcd libusb-1.0-0 sane-utils sane-airscan umockdev gir1.2-umockdev-1.0
            python3-gi gcc libc6-dev openssl systemd udev swtpm libtss2-esys-3.0.2-0 libtss2-rc0
            libtss2-tcti-swtpm0 chromium fonts-wqy-zenhei man-db" ;;
    package)
        purpose="what builds and checks Debian packages"
        partners="debhelper dpkg-dev python3-venv lintian mmdebstrap" ;;
    vm)
        purpose="what the virtual PC is made of"
        partners="qemu-system-x86 qemu-utils seabios ipxe-qemu mmdebstrap e2fsprogs openssh-client mosquitto" ;;
    demo) partners="" ;;
esac
services=""
stamp=.venv/.hall-edge
log=
masked=

cleanup() {
    [ -z "$log" ] || rm -f "$log"
    # shellcheck disable=SC2086
    [ -z "$masked" ] || as_root systemctl --quiet unmask --runtime $services || :
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf 'setup: %s\n' "$*"; }
missing() { printf 'setup: missing %s; as root: apt-get install --no-install-recommends %s\n' "$1" "$2" >&2; }

# step TEXT COMMAND...: one line; what the command printed is shown only when it failed.
step() {
    say "$1"
    shift
    [ -n "$log" ] || log=$(mktemp)
    "$@" >"$log" 2>&1 </dev/null && return
    tail -n 20 "$log" >&2
    printf 'setup: failed: %s\n' "$*" >&2
    return 1
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
may_install() { command -v apt-get && as_root true; } >/dev/null 2>&1

apt() {
    as_root apt-get update || : # an old list may do; the installation tells
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"
}

# absent PACKAGE...: those that are not installed; on a system without dpkg those whose program is not there.
absent() {
    for package in "$@"; do
        if command -v dpkg-query >/dev/null; then
            case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in *' installed') continue ;; esac
        else
            case $package in
                mosquitto | pcscd | gcc) program=$package ;;
                sane-utils) program=scanimage ;;
                umockdev) program=umockdev-run ;;
                *) continue ;; # a library: a test tells
            esac
            ! command -v $program >/dev/null || continue
        fi
        echo "$package"
    done
}

# The tests start programs of their own; the packages' services stay off, now and at the next boot.
install_partners() {
    [ -d /run/systemd/system ] || { apt "$@"; return; }
    for package in "$@"; do
        case $package in
            mosquitto) services="$services mosquitto" ;;
            pcscd) services="$services pcscd.socket" ;;
            sane-utils) services="$services saned.socket" ;;
        esac
    done
    [ -n "$services" ] || { apt "$@"; return; }
    # shellcheck disable=SC2086
    as_root systemctl mask --runtime $services && masked=1
    # shellcheck disable=SC2086
    apt "$@" && as_root systemctl disable $services
}

# find_python: sets $python to the first one that is new enough and can make a venv. Inside an activated
# venv it is the interpreter behind it: .venv is about to be deleted.
find_python() {
    for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        python=$("$python" -c '
import sys
if sys.version_info < (3, 11): sys.exit(1)
import ensurepip, venv
print(sys._base_executable)' 2>/dev/null) && return
    done
    return 1
}

# A Python that was upgraded under the environment no longer finds what is in it.
venv_works() {
    [ -d ".venv/lib/python$(.venv/bin/python -ISc 'import sys; print("%d.%d" % sys.version_info[:2])')" ]
} 2>/dev/null

build_venv() { rm -rf .venv && "$python" -m venv .venv; }
install_lock() { .venv/bin/python -m pip install --require-hashes --only-binary=:all: -r "$lock"; }

# PyPI has pyscard for Linux only as source. Debian's package holds it built for Debian's Python; taking it out
# of there needs neither root nor a compiler. Without root its library comes the same way, into .venv/debian.
unpack() {
    rm -rf .venv/debian/new && mkdir -p .venv/debian/new .venv/debian/lists/partial
    (
        cd .venv/debian/new
        apt-get download "$@" || {
            apt-get -o Dir::State::lists="$PWD/../lists" -o Dir::Cache="$PWD/.." update
            apt-get -o Dir::State::lists="$PWD/../lists" -o Dir::Cache="$PWD/.." download "$@"
        }
        for package in *.deb; do dpkg-deb -x "$package" ..; done
    )
}
has_pyscard() { .venv/bin/python -c 'import smartcard.scard'; } >/dev/null 2>&1
has_pcsclite() { .venv/bin/python -c 'import ctypes; ctypes.CDLL("libpcsclite.so.1")'; } >/dev/null 2>&1
install_pyscard() {
    unpack python3-pyscard
    cp -R .venv/debian/usr/lib/python3/dist-packages/smartcard .venv/lib/python3*/site-packages/
    has_pyscard
}
add_pyscard() {
    if has_pyscard; then return; fi
    if command -v apt-get >/dev/null && step "pyscard, as Debian builds it" install_pyscard; then
        if ! has_pcsclite && may_install; then step "Debian package libpcsclite1" apt libpcsclite1 || :; fi
        has_pcsclite || step "libpcsclite1, for this checkout only" unpack libpcsclite1 || :
    else
        say "no pyscard for this Python: the demo goes without smart cards (pip install pyscard needs a compiler)"
    fi
}
install_self() { .venv/bin/python -m pip install --no-deps --no-build-isolation -e .; }

exec 9<setup.sh
! command -v flock >/dev/null || flock 9 # two at once: the second waits, and then has nothing to do

env_want=$({ pwd; cat requirements/demo.txt requirements/dev.txt; } | sha256sum | cut -c1-64)
self_want=$(sha256sum <pyproject.toml | cut -c1-64)
have='' env_have='' self_have=''
if [ -f $stamp ] && venv_works; then read -r have env_have self_have <$stamp; fi

if [ "$env_have" != "$env_want" ]; then
    if ! find_python && may_install; then
        # shellcheck disable=SC2086
        step "Debian packages $debian" apt $debian || :
    fi
    find_python || { missing "Python 3.11 or newer with venv" "$debian"; exit 1; }
    step ".venv with $python" build_venv
    have=''
    self_have=''
fi
case $have in
    test) ;;
    demo) [ $mode = demo ] || have='' ;;
esac
if [ -z "$have" ]; then
    rm -f $stamp
    step "packages of $lock" install_lock
    add_pyscard
    have=test
    [ $mode != demo ] || have=demo
fi
if [ "$self_have" != "$self_want" ]; then
    rm -f $stamp
    step "hall-edge in .venv" install_self
fi
[ -f $stamp ] || printf '%s %s %s\n' "$have" "$env_want" "$self_want" >$stamp

# shellcheck disable=SC2046,SC2086,SC2116
wanted=$(echo $(absent $partners))
if [ -n "$wanted" ] && may_install; then
    # shellcheck disable=SC2086
    step "Debian packages $wanted" install_partners $wanted || :
    # shellcheck disable=SC2046,SC2086,SC2116
    wanted=$(echo $(absent $partners))
fi
if [ "$mode" = package ] && may_install && [ -z "$(apt-get indextargets 2>/dev/null)" ]; then
    step "apt's lists" as_root apt-get update # the package is tried in a Debian from where this machine has its own
fi
[ -z "$wanted" ] || { missing "$purpose" "$wanted"; exit 1; }
