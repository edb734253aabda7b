#!/usr/bin/env bash
# Everything that needs a GPU, in one go within ten minutes, on a machine that has Python 3.11 or newer, torch, NumPy and CuPy alone.
#
# Before, where Vividlive is installed:  python -m benchmarks.gpu_pack gpu_pack.npz [--weights renderer.safetensors]
# There, from the repository's root:     benchmarks/gpu_session.sh gpu_pack.npz [result.json]
set -euo pipefail
cd "$(dirname "$0")/.."
pack=${1:?expected a pack: python -m benchmarks.gpu_pack gpu_pack.npz, where Vividlive is installed}
exec timeout 580 "${PYTHON:-python3}" -m benchmarks.gpu_session --pack "$pack" --json "${2:-${OUT:-.}/gpu_session.json}"
