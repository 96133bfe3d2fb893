#!/bin/sh
# sh benchmarks/peers/make.sh [NAME …]: an environment of its own for each peer, below var/peers. None brings torch.
set -u
cd "$(dirname "$0")/../.."
UV=${UV:-$(command -v uv || echo .venv/bin/uv)}
PYTHON=${PYTHON:-.venv/bin/python}
echo "torch<0" > var/peers-constraints.txt

make() {
  name=$1
  shift
  "$UV" venv --quiet --clear --python "$PYTHON" "var/peers/$name" || return 1
  "$UV" pip install --quiet --python "var/peers/$name/bin/python" -c var/peers-constraints.txt "$@"
}

failed=0
for name in ${*:-langchain llamaindex haystack}; do
  case $name in
    langchain) make langchain langchain-core==1.7.2 langchain-community==0.4.2 faiss-cpu==1.15.1 numpy ;;
    llamaindex) make llamaindex llama-index-core==0.14.25 llama-index-vector-stores-faiss==0.7.0 faiss-cpu==1.15.1 numpy ;;
    haystack) make haystack haystack-ai==3.4.0 numpy ;;
    *) echo "no peer $name" >&2; exit 2 ;;
  esac
  if [ $? -eq 0 ]; then echo "$name: var/peers/$name"; else echo "$name: cannot be installed" >&2; failed=1; fi
done
exit $failed
