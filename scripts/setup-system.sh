#!/usr/bin/env bash
# Installs the programs that `npm run test:system` needs and that are missing, from Debian's packages.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=()
if [[ -z "${CHROMIUM:-}" ]] && ! [[ -x /usr/bin/chromium || -x /usr/bin/chromium-browser || -x /usr/bin/google-chrome ]]; then
  packages+=(chromium)
fi
[[ -x /usr/sbin/nginx ]] || packages+=(nginx-light)
command -v openssl >/dev/null || packages+=(openssl)

if ((${#packages[@]} > 0)); then
  command -v apt-get >/dev/null || {
    echo "This machine has no apt-get. Install these programs in another way: ${packages[*]}"
    exit 1
  }
  root=()
  if ((EUID != 0)); then root=(sudo); fi
  export DEBIAN_FRONTEND=noninteractive
  echo "Installing ${packages[*]}"
  "${root[@]}" apt-get -o Acquire::Retries=3 update -qq
  "${root[@]}" apt-get -o Acquire::Retries=3 install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
node scripts/check-system.js && echo 'All programs that `npm run test:system` needs are installed.'
