#!/usr/bin/env bash
# log_in.sh registry|cluster: with a token of this run that GitHub signs, never with a stored password.
set -euo pipefail

# Writes this run's token for an audience to a file, and prints the file's name.
token_for() {
  local file=$RUNNER_TEMP/identity
  (umask 077 && curl --silent --show-error --fail --retry 3 \
    --header "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \
    "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=$1" | jq --raw-output --join-output .value >"$file")
  echo "$file"
}

# The command line of AWS exchanges the token itself whenever it needs to.
be_known_to_aws() {
  : "${AWS_ROLE_ARN:?set the variable AWS_ROLE_ARN}" "${AWS_REGION:?set the variable AWS_REGION}"
  AWS_WEB_IDENTITY_TOKEN_FILE=$(token_for sts.amazonaws.com)
  export AWS_WEB_IDENTITY_TOKEN_FILE
  echo "AWS_WEB_IDENTITY_TOKEN_FILE=$AWS_WEB_IDENTITY_TOKEN_FILE" >>"$GITHUB_ENV"
}

be_known_to_gcp() {
  : "${GCP_PROVIDER:?set the variable GCP_PROVIDER}" "${GCP_SERVICE_ACCOUNT:?set the variable GCP_SERVICE_ACCOUNT}"
  gcloud iam workload-identity-pools create-cred-config "$GCP_PROVIDER" --service-account "$GCP_SERVICE_ACCOUNT" \
    --credential-source-file "$(token_for "//iam.googleapis.com/$GCP_PROVIDER")" --output-file "$RUNNER_TEMP/gcp.json"
  gcloud auth login --quiet --cred-file "$RUNNER_TEMP/gcp.json"
}

# Hands a password from standard input to everything that speaks to the registry: docker, cosign, grype, helm.
into_registry() {
  docker login --username "$1" --password-stdin "${REGISTRY%%/*}"
}

registry() {
  case ${REGISTRY_KIND:?set the variable REGISTRY_KIND to ghcr, ecr or gcr} in
  ghcr) into_registry "$GITHUB_ACTOR" <<<"$GITHUB_TOKEN" ;;
  ecr) be_known_to_aws && aws ecr get-login-password | into_registry AWS ;;
  gcr) be_known_to_gcp && gcloud auth print-access-token | into_registry oauth2accesstoken ;;
  *) echo "REGISTRY_KIND is ghcr, ecr or gcr, not $REGISTRY_KIND" >&2 && exit 2 ;;
  esac
}

cluster() {
  : "${CLUSTER:?set the variable CLUSTER}"
  case ${CLOUD:?set the variable CLOUD to aws or gcp} in
  aws) be_known_to_aws && aws eks update-kubeconfig --name "$CLUSTER" ;;
  gcp) be_known_to_gcp && with_token_of_gcp ;;
  *) echo "CLOUD is aws or gcp, not $CLOUD" >&2 && exit 2 ;;
  esac
}

# A kubeconfig with a token of an hour, where runners lack Google's plugin.
with_token_of_gcp() {
  local described=$RUNNER_TEMP/cluster.json certificate=$RUNNER_TEMP/cluster.crt
  gcloud container clusters describe "$CLUSTER" --location "${GCP_LOCATION:?set the variable GCP_LOCATION}" \
    --format json >"$described"
  jq --raw-output .masterAuth.clusterCaCertificate "$described" | base64 --decode >"$certificate"
  kubectl config set-cluster here --embed-certs --certificate-authority "$certificate" \
    --server "https://$(jq --raw-output .endpoint "$described")"
  kubectl config set-credentials here --token "$(gcloud auth print-access-token)" >/dev/null
  kubectl config set-context here --cluster here --user here
  kubectl config use-context here
}

case ${1:-} in
registry | cluster) "$1" ;;
*) echo "log_in.sh registry|cluster" >&2 && exit 2 ;;
esac
