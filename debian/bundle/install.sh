#!/bin/sh
# 离线安装 / Installs hall-edge on a PC without a network, from this folder alone:
#   sh install.sh                       hall-edge
#   sh install.sh mosquitto libsane1    and Debian packages that the bundle holds, too
set -eu
cd "$(dirname "$0")"

stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || stop "请用 root 运行：sudo sh install.sh" "run it as root: sudo sh install.sh"
. /etc/os-release
[ "${ID-} ${VERSION_ID-} $(dpkg --print-architecture)" = "debian 12 @ARCHITECTURE@" ] ||
    stop "此安装包只适用于 Debian 12（@ARCHITECTURE@）" "this bundle is for Debian 12 (@ARCHITECTURE@) only"
sha256sum --check --quiet --strict SHA256SUMS ||
    stop "文件已损坏：请重新复制整个安装包" "a file is damaged: copy the whole bundle again"

own=$(mktemp -d)
trap 'rm -rf "$own"' EXIT
mkdir -p "$own/lists/partial"
# what apt may use: the packages here, whose sums were checked above
printf 'deb [trusted=yes] file:%s/packages ./\n' "$(pwd | sed 's/%/%25/g; s/ /%20/g')" >"$own/sources.list"
apt() {
    DEBIAN_FRONTEND=${DEBIAN_FRONTEND:-noninteractive} apt-get -q -o Dir::Etc::sourcelist="$own/sources.list" \
        -o Dir::Etc::sourceparts=- -o Dir::State::lists="$own/lists" -o Dir::Cache::pkgcache= \
        -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root "$@"
}
apt update
apt install -y --allow-downgrades hall-edge=@VERSION@ "$@"
echo "完成。下一步：hall-edge init / done; next: hall-edge init"
