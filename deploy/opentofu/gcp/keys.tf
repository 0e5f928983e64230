# One key ring for the region, one for the continent (images lie in two regions), one for copies of secrets.
locals {
  places = { region = var.region, continent = var.continent.key, copies = var.backup_region }
  # Google's own accounts that encrypt for us, each with the key that it needs. README says how they come to be.
  number = data.google_project.this.number
  agents = {
    sql       = { key = "region", account = "service-${local.number}@gcp-sa-cloud-sql.iam.gserviceaccount.com" }
    container = { key = "region", account = "service-${local.number}@container-engine-robot.iam.gserviceaccount.com" }
    compute   = { key = "region", account = "service-${local.number}@compute-system.iam.gserviceaccount.com" }
    kafka     = { key = "region", account = "service-${local.number}@gcp-sa-managedkafka.iam.gserviceaccount.com" }
    redis     = { key = "region", account = "service-${local.number}@cloud-redis.iam.gserviceaccount.com" }
    registry  = { key = "region", account = "service-${local.number}@gcp-sa-artifactregistry.iam.gserviceaccount.com" }
    secrets   = { key = "region", account = "service-${local.number}@gcp-sa-secretmanager.iam.gserviceaccount.com" }
    copies    = { key = "copies", account = "service-${local.number}@gcp-sa-secretmanager.iam.gserviceaccount.com" }
    objects   = { key = "continent", account = data.google_storage_project_service_account.this.email_address }
  }
}

data "google_storage_project_service_account" "this" {}

resource "google_kms_key_ring" "this" {
  for_each = local.places
  name     = var.name
  location = each.value
}

resource "google_kms_crypto_key" "this" {
  for_each        = local.places
  name            = "data"
  key_ring        = google_kms_key_ring.this[each.key].id
  rotation_period = "7776000s" # 90 days
  lifecycle { prevent_destroy = true }
}

resource "google_kms_crypto_key_iam_member" "agent" {
  for_each      = local.agents
  crypto_key_id = google_kms_crypto_key.this[each.value.key].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${each.value.account}"
}
