#!/bin/sh
# Build the Debian 12 that the virtual-machine lab boots; needs root, and mmdebstrap, e2fsprogs, qemu-utils. No loop mount.
#
#   build-image.sh FOLDER      makes FOLDER/{root.ext4,vmlinux,initrd,key,key.pub,packages.txt}
#
# Its packages are those of a window PC before hall-edge is installed, and what the lab needs to look inside.
set -eu
folder=$1
size=4G
mkdir -p "$folder"
work=$(mktemp -d "$folder/build.XXXXXX")
root=$work/root
home=$root/root
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

system="systemd-sysv libpam-systemd udev dbus polkitd kmod linux-image-amd64 initramfs-tools zstd lz4 openssh-server
    iproute2 procps apt python3 systemd-timesyncd ca-certificates adduser"
window="pcscd libccid libpcsclite1 libusb-1.0-0 libsane1 libhidapi-hidraw0 python3-pyscard openssl"
lab="usbip hwdata sqlite3"

# Whatever this machine takes its packages from; without such a file mmdebstrap knows where Debian is.
sources=
for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
    if [ -s "$file" ] && grep -q bookworm "$file"; then sources=$file; break; fi
done

# shellcheck disable=SC2086
mmdebstrap --quiet --variant=minbase --mode=root \
    --include="$(echo $system $window $lab | tr ' ' ',')" \
    --aptopt='APT::Install-Recommends "false"' \
    --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --essential-hook='mkdir -p "$1/etc/initramfs-tools"
        printf "virtio_pci\nvirtio_blk\next4\n" >"$1/etc/initramfs-tools/modules"' \
    bookworm "$work/root.tar" $sources
mkdir "$root"
tar -xpf "$work/root.tar" -C "$root" --numeric-owner --xattrs --exclude='./dev/*'
rm "$work/root.tar"

# Log in by a key over the emulated network, which leads nowhere else.
[ -f "$folder/key" ] || ssh-keygen -q -t ed25519 -N '' -C hall-edge-vm -f "$folder/key"
install -Dm600 "$folder/key.pub" "$home/.ssh/authorized_keys"
echo window-pc >"$root/etc/hostname"
printf '127.0.0.1 localhost window-pc\n10.0.2.100 broker.hall.example\n' >"$root/etc/hosts"
printf '/dev/vda / ext4 errors=remount-ro 0 1\n' >"$root/etc/fstab"
mkdir -p "$root/etc/systemd/network" "$root/var/log/journal"
printf '[Match]\nName=en*\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\nLinkLocalAddressing=no\n' \
    >"$root/etc/systemd/network/lan.network"
sed -i 's/^MODULES=.*/MODULES=list/; s/^COMPRESS=.*/COMPRESS=lz4/; s/^BUSYBOX=.*/BUSYBOX=n/' \
    "$root/etc/initramfs-tools/initramfs.conf"
chroot "$root" sh -ec '
    systemctl -q enable systemd-networkd ssh
    systemctl -q mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer \
        e2scrub_reap.service systemd-networkd-wait-online.service getty@tty1.service systemd-timesyncd.service
    passwd -q -d root
    for user in clerk simulator; do useradd --create-home --shell /bin/sh "$user"; done
    dpkg-query -W >/packages.txt
    apt-get clean
    rm -rf /var/lib/apt/lists/*'
mv "$root/packages.txt" "$folder/"
kernel=$(ls "$root/lib/modules" | sort -V | tail -n 1)
chroot "$root" update-initramfs -u -k "$kernel" >"$work/initramfs.log" 2>&1 || { cat "$work/initramfs.log" >&2; exit 1; }
cp "$root/boot/initrd.img-$kernel" "$folder/initrd"
# An uncompressed kernel boots at once through QEMU's PVH entry: no decompressor has to be emulated.
python3 - "$root/boot/vmlinuz-$kernel" "$folder/vmlinux" <<'PY'
import lzma, sys
from pathlib import Path
packed = Path(sys.argv[1]).read_bytes()
kernel = lzma.LZMADecompressor().decompress(packed[packed.find(b"\xfd7zXZ\x00"):])
if kernel[:4] != b"\x7fELF":
    sys.exit("the kernel is packed in a way that is not known here")
Path(sys.argv[2]).write_bytes(kernel)
PY
mke2fs -q -t ext4 -L window-pc -d "$root" "$work/root.ext4" "$size"
mv "$work/root.ext4" "$folder/root.ext4" # last: with it the image is whole
