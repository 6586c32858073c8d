#!/bin/bash
# A machine for one page: what is here, as a copy on write, with a network of its own (so that port 5000 is free) and
# processes of its own (so that nothing outlives it). Run as root below `unshare -m -n -p --fork`.
#
#   machine.sh BASE REPOSITORY PATH IMAGE
#
# BASE has io/, for what goes in and out; commands of the shell come from stdin. IMAGE is a folder of what `npm run image` makes.
set -eu
base=$1 repository=$2 path=$3 image=$4
root=$base/root

mount --make-rprivate /
mkdir -p "$root" "$base/memory"
mount -t tmpfs tmpfs "$base/memory"
# over LOWER PLACE: what is written to PLACE goes to memory.
over() {
  layer=$(mktemp -d "$base/memory/layer.XXXX")
  mkdir "$layer/upper" "$layer/work"
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$layer/upper,workdir=$layer/work" "$2"
}
over / "$root"
# Where it is another filesystem than the root's, it is not there yet.
mkdir -p "$root$repository"
over "$repository" "$root$repository"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
for folder in /run /srv /mnt /var/lib/docker /var/lib/containers /var/lib/registry; do
  mkdir -p "$root$folder"
  mount -t tmpfs tmpfs "$root$folder"
done
mkdir -p "$root$base/io"
mount --bind "$base/io" "$root$base/io"
ip link set lo up
cp "$base/io/hosts" "$root/etc/hosts"
mkdir -p "$root/etc/containers"
cp "$base/io/policy.json" "$root/etc/containers/policy.json"
rm -rf "$root/etc/docker"
# Compose is a plugin of the client.
compose=$(PATH=$path type -p docker-compose || true)
if [ -n "$compose" ]; then
  mkdir -p "$root/home/reader/.docker/cli-plugins"
  cp "$compose" "$root/home/reader/.docker/cli-plugins/docker-compose"
fi

# What a reader has after `git clone`; node_modules is what `npm ci` made.
clone=/home/reader/berth
mkdir -p "$root$clone"
tar -C "$repository" --exclude=./node_modules --exclude=./dist --exclude=./.git --exclude=./data -cf - . |
  tar -C "$root$clone" -xf -
ln -s "$repository/node_modules" "$root$clone/node_modules"
# At a terminal curl shows no progress beside what it prints; and here an answer of 400 and more is a failure.
printf '%s\n' silent show-error fail-with-body >"$root/home/reader/.curlrc"

# Not chroot: what joins the mounts of a container, as `docker exec` does, begins at their root.
cd "$root"
mkdir -p old
pivot_root . old
umount -l /old

exec env -i HOME=/home/reader USER=root SHELL=/bin/bash TERM=dumb LANG=C.UTF-8 PATH="$path" IO="$base/io" \
  REPOSITORY="$repository" CLONE=$clone IMAGE="$image" npm_config_update_notifier=false \
  CONTAINERS_CONF="$base/io/containers.conf" BUILDAH_ISOLATION=chroot /bin/bash --noprofile --norc "$base/io/shell.sh"
