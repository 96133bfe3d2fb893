#!/bin/sh
# sh benchmarks/peers/make.sh [NAME …]: an environment of its own for each peer, below var/peers.
# langchain, llamaindex and haystack bring no torch (0.6 GB in all); txtai needs a CPU build of it (1 GB).
# TORCH: the folder or page where that wheel lies.
set -u
cd "$(dirname "$0")/../.."
UV=${UV:-$(command -v uv || echo .venv/bin/uv)}
PYTHON=${PYTHON:-.venv/bin/python}
TORCH=${TORCH:-https://download.pytorch.org/whl/cpu/torch/}
mkdir -p var/peers

make() {
  name=$1
  shift
  "$UV" venv --quiet --clear --python "$PYTHON" "var/peers/$name" || return 1
  "$UV" pip install --quiet --python "var/peers/$name/bin/python" "$@"
}

small() {
  echo "torch<0" > var/peers/constraints.txt
  make "$@" -c var/peers/constraints.txt
}

failed=0
for name in ${*:-langchain llamaindex haystack txtai}; do
  case $name in
    langchain) small langchain langchain-core==1.7.2 langchain-community==0.4.2 faiss-cpu==1.15.1 numpy ;;
    llamaindex) small llamaindex llama-index-core==0.14.25 llama-index-vector-stores-faiss==0.7.0 faiss-cpu==1.15.1 numpy ;;
    haystack) small haystack haystack-ai==3.4.0 numpy ;;
    txtai) make txtai txtai==9.14.0 torch==2.13.0+cpu faiss-cpu==1.15.1 numpy --find-links "$TORCH" ;;
    *) echo "no peer $name" >&2; exit 2 ;;
  esac
  if [ $? -eq 0 ]; then
    echo "$name: var/peers/$name ($(du -sh "var/peers/$name" | cut -f1))"
  else
    echo "$name: cannot be installed" >&2
    failed=1
  fi
done
exit $failed
