#!/usr/bin/env bash
# image.sh TARGET VERSION: build, scan, sign, name. An image has no tag before it was scanned and signed: what
# fails on the way lies in the registry under its digest alone, where nothing looks.
set -euo pipefail
target=$1 version=$2
image=${REGISTRY:?}/$target

docker buildx create --use --name delivery >/dev/null
# The list of what is inside (SPDX) and where it came from (SLSA) become part of what the digest covers.
docker buildx build --file deploy/Dockerfile --target "$target" --sbom=true --provenance=mode=max \
  --build-arg VERSION="$version" --build-arg REVISION="${GITHUB_SHA:?}" \
  --output "type=image,name=$image,push-by-digest=true,name-canonical=true,push=true" \
  --metadata-file "$RUNNER_TEMP/built.json" .
digest=$(jq --raw-output '."containerimage.digest"' "$RUNNER_TEMP/built.json")

# What is grave and has a fix must be fixed first.
grype "registry:$image@$digest" --only-fixed --fail-on high

cosign sign --yes "$image@$digest"
docker buildx imagetools create --tag "$image:$version" "$image@$digest"
echo "- $image:$version $digest" >>"$GITHUB_STEP_SUMMARY"
