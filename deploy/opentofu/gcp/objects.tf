# Images and what was accepted, and archived topics, in two regions at once; weights of models in one.
resource "google_storage_bucket" "images" {
  #checkov:skip=CKV_GCP_62:audit logs of the project tell who read an image
  name                        = "${var.name}-images-${data.google_project.this.number}"
  location                    = var.continent.bucket
  rpo                         = "ASYNC_TURBO" # the second region has an object within 15 minutes
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  custom_placement_config { data_locations = [upper(var.region), upper(var.backup_region)] }
  encryption { default_kms_key_name = google_kms_crypto_key.this["continent"].id }
  versioning { enabled = true }

  # Photos of enrolments and what was accepted stay: models are enrolled from them again, and resends repeat it.
  lifecycle_rule {
    condition {
      age            = var.images.cold_days
      matches_prefix = ["captures/"]
    }
    action {
      type          = "SetStorageClass"
      storage_class = "COLDLINE"
    }
  }
  lifecycle_rule {
    condition {
      age            = var.images.keep_days
      matches_prefix = ["captures/"]
    }
    action { type = "Delete" }
  }
  # An erased object must be gone within days, so old versions are, and there is no second bin behind them.
  lifecycle_rule {
    condition { days_since_noncurrent_time = 7 }
    action { type = "Delete" }
  }
  soft_delete_policy { retention_duration_seconds = 0 }
  depends_on = [google_kms_crypto_key_iam_member.agent]
}

resource "google_storage_bucket" "models" {
  #checkov:skip=CKV_GCP_62:as above
  name                        = "${var.name}-models-${data.google_project.this.number}"
  location                    = var.continent.bucket
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  encryption { default_kms_key_name = google_kms_crypto_key.this["continent"].id }
  versioning { enabled = true }
  depends_on = [google_kms_crypto_key_iam_member.agent]
}

# Topics past Kafka's retention, in two regions as well.
resource "google_storage_bucket" "archive" {
  #checkov:skip=CKV_GCP_62:as above
  name                        = "${var.name}-archive-${data.google_project.this.number}"
  location                    = var.continent.bucket
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  custom_placement_config { data_locations = [upper(var.region), upper(var.backup_region)] }
  encryption { default_kms_key_name = google_kms_crypto_key.this["continent"].id }
  versioning { enabled = true }
  # What was removed must be gone within days.
  lifecycle_rule {
    condition { days_since_noncurrent_time = 7 }
    action { type = "Delete" }
  }
  soft_delete_policy { retention_duration_seconds = 0 }
  depends_on = [google_kms_crypto_key_iam_member.agent]
}

locals {
  buckets = {
    images  = google_storage_bucket.images.name
    models  = google_storage_bucket.models.name
    archive = google_storage_bucket.archive.name
  }
}
