#!/usr/bin/env bash
# deploy.sh VERSION: prove what is to be deployed, upgrade, look at it for a while, go back when it is not well.
# Helm goes back by itself when an upgrade does not become ready; the migration before it adds only what the
# old version does not mind (docs/operations/migrations.md), so the way back needs no hand either.
set -euo pipefail
version=$1
chart=${REGISTRY:?}/charts/attendance
namespace=attendance release=attendance
images=(ingest recognition-worker recognition-worker-gpu attendance-projector query-api prepare gateway)
watched_seconds=300

# Prints the digest that a name has, when deliver.yml of this repository signed it; else nothing is deployed.
proven() {
  cosign verify --output json "$1" --certificate-oidc-issuer https://token.actions.githubusercontent.com \
    --certificate-identity-regexp \
    "^https://github\.com/${GITHUB_REPOSITORY:?}/\.github/workflows/deliver\.yml@refs/(heads/main|tags/v.+)$" |
    jq --raw-output --exit-status '.[0].critical.image["docker-manifest-digest"]'
}

# Pods run what was proven, by its digest: a name that is moved meanwhile changes nothing.
settings=(--set-string "image.registry=$REGISTRY")
for name in "${images[@]}"; do
  digest=$(proven "$REGISTRY/$name:$version")
  settings+=(--set-string "image.digests.$name=$digest")
done
chart_digest=$(proven "$chart:$version")

values=$RUNNER_TEMP/values.yaml
printf '%s\n' "${HELM_VALUES:?set the variable HELM_VALUES of this environment}" >"$values"
before=$(helm list --namespace "$namespace" --filter "^$release$" --deployed --output json |
  jq --raw-output '.[0].revision // empty')

helm upgrade "$release" "oci://$chart@$chart_digest" --install --namespace "$namespace" \
  --values "$values" "${settings[@]}" --atomic --wait --wait-for-jobs --timeout 20m

well() {
  kubectl get deployments --namespace "$namespace" --selector "app.kubernetes.io/instance=$release" --output json |
    jq --exit-status '(.items | length > 0) and all(.items[]; any(.status.conditions[];
      .type == "Available" and .status == "True"))' >/dev/null
}

until=$((SECONDS + watched_seconds))
while ((SECONDS < until)); do
  if ! well; then
    echo "$version became ready and is not well: back to revision ${before:-none}" >&2
    kubectl get pods --namespace "$namespace" --output wide >&2
    if [ -n "$before" ]; then helm rollback "$release" "$before" --namespace "$namespace" --wait --timeout 20m; fi
    exit 1
  fi
  sleep 10
done
echo "- $version deployed; before it: revision ${before:-none}" >>"$GITHUB_STEP_SUMMARY"
