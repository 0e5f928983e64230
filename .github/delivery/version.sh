#!/usr/bin/env bash
# Prints the version of what is delivered: that of a tag (v1.4.0: 1.4.0), else one below every release that
# grows with each run and names the commit.
set -euo pipefail

case "${GITHUB_REF:?}" in
refs/tags/v*) version=${GITHUB_REF#refs/tags/v} ;;
*) version="0.0.0-main.${GITHUB_RUN_NUMBER:?}.g${GITHUB_SHA:0:12}" ;;
esac
# A chart needs SemVer 2, and a tag of an image has no +.
if [[ ! $version =~ ^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$ ]]; then
  echo "the tag v$version names no version such as v1.4.0 or v1.4.0-rc.1" >&2
  exit 2
fi
echo "$version"
