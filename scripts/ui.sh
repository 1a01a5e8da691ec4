#!/usr/bin/env bash
# Builds the web page into ui/dist, if it or what it is made of has changed since.
. "$(dirname "$0")/environment.sh"
need_toolchain

cd ui
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say "installing the packages of the web page"
  npm ci --no-audit --no-fund
fi

changed=dist/index.html
if [ -e "$changed" ]; then
  changed=$(find src public build index.html package.json package-lock.json svelte.config.js tsconfig.json vite.config.ts \
    -newer dist/index.html -print -quit)
fi
if [ -n "$changed" ]; then
  say "building the web page"
  npm run --silent build
fi
