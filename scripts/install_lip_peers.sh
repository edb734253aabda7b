#!/bin/sh
# Installs the lip-sync packages that benchmarks/lip_peers.py compares with, outside the repository.
set -eu

target="${VIVIDLIVE_NPM:-${XDG_CACHE_HOME:-$HOME/.cache}/vividlive/npm}"
mkdir -p "$target"
npm install --prefix "$target" --no-audit --no-fund @met4citizen/headaudio@0.1.0 wawa-lipsync@0.0.2
