# The object store's identities: an account each, with a key for S3's way of signing.
locals {
  object_users = { for name, identity in local.identities : name => identity.object_store if can(identity.object_store) }
  # One line for each identity, place and verb: a prefix of the bucket of images, or another bucket: /models.
  places = merge([for name, store in local.object_users : merge([for place, verbs in store : {
    for verb in verbs : "${name} ${verb} ${place}" => {
      name   = name
      role   = { get = "roles/storage.objectViewer", put = "roles/storage.objectCreator", delete = "roles/storage.objectUser" }[verb]
      bucket = local.buckets[startswith(place, "/") ? trimprefix(place, "/") : "images"]
      prefix = startswith(place, "/") ? "" : place
    }
  }]...)]...)
}

resource "google_service_account" "objects" {
  for_each     = local.object_users
  account_id   = "${var.name}-${substr(each.key, 0, 18)}"
  display_name = "Objects of ${each.key}"
}

resource "google_storage_hmac_key" "objects" {
  for_each              = local.object_users
  service_account_email = google_service_account.objects[each.key].email
}

resource "google_storage_bucket_iam_member" "objects" {
  for_each = local.places
  bucket   = each.value.bucket
  role     = each.value.role
  member   = "serviceAccount:${google_service_account.objects[each.value.name].email}"
  condition {
    title      = "only its own part"
    expression = "resource.name.startsWith(\"projects/_/buckets/${each.value.bucket}/objects/${each.value.prefix}\")"
  }
}

# Without it, a missing object looks like a forbidden one.
resource "google_project_iam_custom_role" "list" {
  role_id     = "${replace(var.name, "-", "_")}_list_objects"
  title       = "Sees which objects there are"
  permissions = ["storage.buckets.get", "storage.objects.list"]
}

resource "google_storage_bucket_iam_member" "list" {
  for_each = { for place in values(local.places) : "${place.name} ${place.bucket}" => place... }
  bucket   = each.value[0].bucket
  role     = google_project_iam_custom_role.list.id
  member   = "serviceAccount:${google_service_account.objects[each.value[0].name].email}"
}

# External Secrets reads the secrets of this installation and no others.
resource "google_secret_manager_secret_iam_member" "pods" {
  for_each  = google_secret_manager_secret.this
  secret_id = each.value.id
  role      = "roles/secretmanager.secretAccessor"
  member = join("/", [
    "principal://iam.googleapis.com/projects/${data.google_project.this.number}/locations/global",
    "workloadIdentityPools/${var.project}.svc.id.goog/subject/ns/external-secrets/sa/external-secrets",
  ])
}

# Workflows of one repository, without a stored password: one account to push images, one for each environment.
locals {
  environments = toset(["registry", "staging", "production"])
}

resource "google_iam_workload_identity_pool" "github" {
  workload_identity_pool_id = "${var.name}-github"
}

resource "google_iam_workload_identity_pool_provider" "github" {
  #checkov:skip=CKV_GCP_125:the condition names one repository, and each binding below the whole subject
  workload_identity_pool_id          = google_iam_workload_identity_pool.github.workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  attribute_mapping                  = { "google.subject" = "assertion.sub", "attribute.repository" = "assertion.repository" }
  attribute_condition                = "assertion.repository == '${var.repository}'"
  oidc { issuer_uri = "https://token.actions.githubusercontent.com" }
}

resource "google_service_account" "workflow" {
  for_each     = local.environments
  account_id   = "${var.name}-${each.key}"
  display_name = "Workflows of ${var.repository}: ${each.key}"
}

resource "google_service_account_iam_member" "workflow" {
  for_each           = local.environments
  service_account_id = google_service_account.workflow[each.key].name
  role               = "roles/iam.workloadIdentityUser"
  member = join("/", [
    "principal://iam.googleapis.com/${google_iam_workload_identity_pool.github.name}",
    "subject/repo:${var.repository}:environment:${each.key}",
  ])
}

resource "google_artifact_registry_repository" "this" {
  repository_id = var.name
  location      = var.region
  format        = "DOCKER"
  kms_key_name  = google_kms_crypto_key.this["region"].id
  docker_config { immutable_tags = true }
  depends_on = [google_kms_crypto_key_iam_member.agent]
}

resource "google_artifact_registry_repository_iam_member" "workflow" {
  for_each   = local.environments
  repository = google_artifact_registry_repository.this.name
  location   = var.region
  role       = each.key == "registry" ? "roles/artifactregistry.writer" : "roles/artifactregistry.reader"
  member     = "serviceAccount:${google_service_account.workflow[each.key].email}"
}

# It finds the cluster; what it may change there is a RoleBinding in one namespace (README).
resource "google_project_iam_member" "deploys" {
  for_each = setsubtract(local.environments, ["registry"])
  project  = var.project
  role     = "roles/container.clusterViewer"
  member   = "serviceAccount:${google_service_account.workflow[each.key].email}"
}
