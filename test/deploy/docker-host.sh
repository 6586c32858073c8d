#!/bin/sh
# A machine of its own for a Docker engine: called by docker-host.ts under `unshare --net --mount --pid --fork`, as root.
#
#   docker-host.sh FOLDER
#
# Its processes, network, mounts, /etc, /run, /var and /data are its own, so that an engine with its ordinary paths and
# ordinary ports (5000, 443) is in nobody's way. It says "ready PID" and lasts until its standard input ends; with it end
# all processes, mounts and interfaces.
set -eu
folder=$1
root=/mnt
PATH=/usr/sbin:/usr/bin:/sbin:/bin

# /proc is still the one of the machine around: this is the number of this shell there.
read -r pid rest </proc/self/stat

mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs $root
for entry in /*; do
  [ -L "$entry" ] && { cp -P "$entry" $root/; continue; }
  [ -d "$entry" ] || continue
  mkdir "$root$entry"
  case $entry in
    /proc | /sys | /run | /etc | /var | /data | /mnt | /lost+found) ;;
    *) mount --rbind "$entry" "$root$entry" ;;
  esac
done

cp -a /etc $root/
rm -rf $root/etc/docker
printf '127.0.0.1 localhost\n::1 localhost\n' >$root/etc/hosts
mkdir -p $root/data $root/old $root/etc/docker $root/var/lib/docker $root/var/tmp $root/run/lock
chmod 1777 $root/var/tmp
ln -s /run $root/var/run
mount --bind "$folder/data" $root/data
mount --bind "$folder/docker" $root/var/lib/docker
mount -t proc proc $root/proc
mount -t sysfs sysfs $root/sys
mount --rbind /sys/fs/cgroup $root/sys/fs/cgroup
ip link set lo up

cd $root
pivot_root . old
umount -l /old
rmdir /old
echo "ready $pid"
# Whatever loses its parent in here has to be waited for by somebody.
exec docker-init -- cat
