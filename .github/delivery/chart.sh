#!/usr/bin/env bash
# chart.sh VERSION: package the chart with its version, push and sign it.
set -euo pipefail
version=$1

helm package charts/attendance --version "$version" --app-version "$version" --destination "$RUNNER_TEMP"
helm push "$RUNNER_TEMP/attendance-$version.tgz" "oci://${REGISTRY:?}/charts" 2>&1 | tee "$RUNNER_TEMP/pushed"
digest=$(sed -n 's/^Digest: *//p' "$RUNNER_TEMP/pushed")
cosign sign --yes "$REGISTRY/charts/attendance@${digest:?helm said no digest}"
echo "- chart $version $digest" >>"$GITHUB_STEP_SUMMARY"
