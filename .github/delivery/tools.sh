#!/usr/bin/env bash
# Builds the tools that runners lack, from Go modules at fixed versions: Go's checksum database vouches for them.
set -euo pipefail

for tool in "$@"; do
  case $tool in
  cosign) go install github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3 ;;
  grype) go install github.com/anchore/grype/cmd/grype@v0.121.3 ;;
  *) echo "no such tool: $tool" >&2 && exit 2 ;;
  esac
done
go env GOPATH | sed 's,$,/bin,' >>"$GITHUB_PATH"
