# What pods need to know: secrets with the names IDENTITY-VARIABLE, as ExternalSecrets turns them into files.
# Passwords of PostgreSQL and the keys of templates are put in by hand (README), so that this state never has them.
locals {
  cache_url = join("", [
    "rediss://:", google_redis_instance.this.auth_string, "@", google_redis_instance.this.host, ":6379/0",
  ])
  cache_users = toset([for name, identity in local.identities : name if can(identity.valkey.keys)])
  made = merge(
    { for name, key in google_storage_hmac_key.objects : "${name}-object_store_access_key" => key.access_id },
    { for name, key in google_storage_hmac_key.objects : "${name}-object_store_secret_key" => key.secret },
    { for name in local.cache_users : "${name}-valkey_url" => local.cache_url },
  )
  by_hand = merge(
    { for name, identity in local.identities : "${name}-database" => true if can(identity.postgres) },
    { "recognition-worker-template_encryption_keys" = true },
  )
}

# The names are no secret; for_each must not depend on the values, which are.
resource "google_secret_manager_secret" "this" {
  for_each = toset(concat(
    flatten([for name, _ in local.object_users : ["${name}-object_store_access_key", "${name}-object_store_secret_key"]]),
    [for name in local.cache_users : "${name}-valkey_url"], keys(local.by_hand),
  ))
  secret_id = "${var.name}-${each.key}"
  replication {
    user_managed {
      replicas {
        location = var.region
        customer_managed_encryption { kms_key_name = google_kms_crypto_key.this["region"].id }
      }
      replicas {
        location = var.backup_region
        customer_managed_encryption { kms_key_name = google_kms_crypto_key.this["copies"].id }
      }
    }
  }
  depends_on = [google_kms_crypto_key_iam_member.agent]
}

resource "google_secret_manager_secret_version" "made" {
  for_each    = setsubtract(keys(google_secret_manager_secret.this), keys(local.by_hand))
  secret      = google_secret_manager_secret.this[each.key].id
  secret_data = local.made[each.key]
}
