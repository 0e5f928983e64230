# Presence and device sequences; both are made again when they are lost. Google's Valkey knows no passwords and
# no users, so this is its Redis, which knows one password for all: README says what follows.
resource "google_redis_instance" "this" {
  name                    = var.name
  region                  = var.region
  tier                    = "STANDARD_HA"
  memory_size_gb          = var.cache_gb
  redis_version           = "REDIS_7_2"
  authorized_network      = google_compute_network.this.id
  connect_mode            = "PRIVATE_SERVICE_ACCESS"
  auth_enabled            = true
  transit_encryption_mode = "SERVER_AUTHENTICATION"
  customer_managed_key    = google_kms_crypto_key.this["region"].id
  depends_on              = [google_service_networking_connection.google, google_kms_crypto_key_iam_member.agent]
}
