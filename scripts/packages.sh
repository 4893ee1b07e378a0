# What scripts/test and scripts/bench know of the system's packages. Sourced; kept to what bash 3.2 knows.
# shellcheck shell=bash

# Debian puts servers where a user's PATH does not lead.
has_program() {
  PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$1" >/dev/null
}

may_apt() {
  command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=120 "$@" </dev/null
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo -n "$@"
  fi
}
