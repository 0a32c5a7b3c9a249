#!/bin/bash
# Runs one command as a container would: in a root of its own, whose places are those of a list.
#   unshare --mount bash sandbox.sh ROOT rw|ro UID:GID FOLDER COMMAND...
# Standard input names what is mounted, a line each: rw|ro, place on this machine, place in the root.
set -euo pipefail
root=$1 access=$2 user=$3 folder=$4
shift 4
mount -t tmpfs -o mode=755 none "$root"
while read -r mode here there; do
  if [ "$here" = tmpfs ]; then
    mkdir -p "$root$there"
    mount -t tmpfs -o mode=1777 none "$root$there"
  elif [ -L "$here" ]; then
    mkdir -p "$(dirname "$root$there")"
    cp -a "$here" "$root$there"
  elif [ -e "$here" ]; then
    [ -d "$here" ] && mkdir -p "$root$there"
    mount --rbind "$here" "$root$there"
    [ "$mode" = rw ] || mount -o remount,bind,ro "$root$there"
  fi
done
mkdir -p "$root$folder"
[ "$access" = rw ] || mount -o remount,ro "$root"
exec "$(PATH=$PATH:/usr/sbin:/sbin command -v chroot)" --userspec="$user" --groups= "$root" /usr/bin/env -C "$folder" "$@"
