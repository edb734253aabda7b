#!/bin/sh
# Installs the WHIP and WHEP clients that the end-to-end test drives, outside the repository.
set -eu

target="${VIVIDLIVE_NPM:-${XDG_CACHE_HOME:-$HOME/.cache}/vividlive/npm}"
mkdir -p "$target"
npm install --prefix "$target" --no-audit --no-fund \
    whip-whep@1.2.0 @eyevinn/webrtc-player@0.13.0 @eyevinn/whip-web-client@1.1.7 esbuild@0.28.2
