# Once, before everything else: the bucket and the key of the state. Its own state stays in this folder; it holds
# no secret, and `tofu import` makes it again.
terraform {
  required_version = ">= 1.10"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.0"
    }
  }
}

variable "name" {
  description = "Name of the installation"
  type        = string
  default     = "attendance"
}

variable "project" {
  description = "Project"
  type        = string
}

variable "regions" {
  description = "Two regions of one continent that both have the state"
  type        = list(string)
}

variable "continent" {
  description = "Location of the bucket (EU, US, ASIA) and of its key (europe, us, asia)"
  type        = object({ bucket = string, key = string })
  default     = { bucket = "EU", key = "europe" }
}

provider "google" {
  project = var.project
}

data "google_storage_project_service_account" "this" {}

resource "google_kms_key_ring" "state" {
  name     = "${var.name}-state"
  location = var.continent.key
}

resource "google_kms_crypto_key" "state" {
  name            = "state"
  key_ring        = google_kms_key_ring.state.id
  rotation_period = "7776000s"
  lifecycle { prevent_destroy = true }
}

resource "google_kms_crypto_key_iam_member" "objects" {
  crypto_key_id = google_kms_crypto_key.state.id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${data.google_storage_project_service_account.this.email_address}"
}

# Every version is kept, in both regions.
resource "google_storage_bucket" "state" {
  #checkov:skip=CKV_GCP_62:audit logs of the project tell who read it
  name                        = "${var.project}-${var.name}-state"
  location                    = var.continent.bucket
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  custom_placement_config { data_locations = [for region in var.regions : upper(region)] }
  encryption { default_kms_key_name = google_kms_crypto_key.state.id }
  versioning { enabled = true }
  depends_on = [google_kms_crypto_key_iam_member.objects]
}

output "backend" {
  description = "The file state.config of the folder above"
  value       = <<-CONFIG
    bucket = "${google_storage_bucket.state.name}"
    prefix = "attendance"
  CONFIG
}

output "state_key" {
  description = "The variable state_key"
  value       = google_kms_crypto_key.state.id
}
