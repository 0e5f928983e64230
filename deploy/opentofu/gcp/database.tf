# A primary with a standby in another zone, and replicas that query-api reads.
locals {
  database_flags = {
    log_checkpoints             = "on"
    log_connections             = "on"
    log_disconnections          = "on"
    log_lock_waits              = "on"
    log_hostname                = "on"
    log_duration                = "off"
    log_statement               = "ddl"
    log_min_messages            = "warning"
    log_min_error_statement     = "error"
    log_min_duration_statement  = "-1"
    "cloudsql.enable_pgaudit"   = "on"
    "cloudsql.logical_decoding" = "off"
  }
}

resource "google_sql_database_instance" "primary" {
  #checkov:skip=CKV_GCP_6:ENCRYPTED_ONLY takes no plain connection; clients show a password, not a certificate
  #checkov:skip=CKV_GCP_79:the version is a variable, and its default the one that the services are tested with
  name                = var.name
  region              = var.region
  database_version    = var.postgres.version
  encryption_key_name = google_kms_crypto_key.this["region"].id
  deletion_protection = true
  settings {
    tier                        = var.postgres.tier
    edition                     = "ENTERPRISE_PLUS"
    availability_type           = "REGIONAL"
    disk_size                   = var.postgres.disk_gb
    disk_autoresize             = true
    deletion_protection_enabled = true
    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.this.id
      ssl_mode        = "ENCRYPTED_ONLY"
    }
    backup_configuration {
      enabled                        = true
      location                       = var.backup_region
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 14
      backup_retention_settings { retained_backups = 14 }
    }
    dynamic "database_flags" {
      for_each = local.database_flags
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }
  depends_on = [google_service_networking_connection.google, google_kms_crypto_key_iam_member.agent]
}

resource "google_sql_database_instance" "replica" {
  #checkov:skip=CKV_GCP_6:as above
  #checkov:skip=CKV_GCP_14:the primary is backed up
  #checkov:skip=CKV_GCP_79:as above
  count                = var.postgres.replicas
  name                 = "${var.name}-replica-${count.index + 1}"
  region               = var.region
  database_version     = var.postgres.version
  master_instance_name = google_sql_database_instance.primary.name
  encryption_key_name  = google_kms_crypto_key.this["region"].id
  deletion_protection  = true
  settings {
    tier                        = var.postgres.tier
    edition                     = "ENTERPRISE_PLUS"
    availability_type           = "ZONAL"
    disk_autoresize             = true
    deletion_protection_enabled = true
    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.this.id
      ssl_mode        = "ENCRYPTED_ONLY"
    }
    dynamic "database_flags" {
      for_each = local.database_flags
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }
}

resource "google_sql_database" "attendance" {
  name            = "attendance"
  instance        = google_sql_database_instance.primary.name
  deletion_policy = "ABANDON"
}
