#!/bin/sh
# Installs fastify and onnxruntime-node outside the tree, once; prints where.
set -eu
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sigmad-bench/node
if [ ! -d "$cache/node_modules/onnxruntime-node" ] || [ ! -d "$cache/node_modules/fastify" ]; then
    mkdir -p "$cache"
    # without its script, which fetches what is for graphics cards only
    (cd "$cache" && npm install --silent --ignore-scripts fastify@5 onnxruntime-node@1 >&2)
fi
echo "$cache"
