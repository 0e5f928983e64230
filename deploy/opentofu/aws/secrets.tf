# What pods need to know: one secret for each identity, with the variables of its service in lower case, as
# ExternalSecrets turns them into files. Passwords of PostgreSQL and the keys of templates are put in by hand
# (README, fourth step), so that this state never holds them.
locals {
  secret_holders = toset([for name, identity in local.identities : name if can(identity.kafka)])
  cache_address  = aws_elasticache_replication_group.this.primary_endpoint_address
}

resource "aws_secretsmanager_secret" "identity" {
  #checkov:skip=CKV2_AWS_57:as of the secrets of Kafka
  for_each   = local.secret_holders
  name       = "${var.name}/${each.key}"
  kms_key_id = aws_kms_key.data.arn
  replica {
    region     = var.backup_region
    kms_key_id = aws_kms_key.copies.arn
  }
}

resource "aws_secretsmanager_secret_version" "identity" {
  for_each  = local.secret_holders
  secret_id = aws_secretsmanager_secret.identity[each.key].id
  secret_string = jsonencode(merge(
    { kafka_sasl_username = each.key, kafka_sasl_password = random_password.kafka[each.key].result },
    contains(keys(local.cache_logins), each.key) ? {
      valkey_url = "rediss://${each.key}:${random_password.cache[each.key].result}@${local.cache_address}:6379/0"
    } : {},
    contains(keys(aws_iam_access_key.objects), each.key) ? {
      object_store_access_key = aws_iam_access_key.objects[each.key].id
      object_store_secret_key = aws_iam_access_key.objects[each.key].secret
    } : {},
  ))
}

# What the operator puts in: database URLs, keys of templates. Empty until then.
resource "aws_secretsmanager_secret" "by_hand" {
  #checkov:skip=CKV2_AWS_57:as of the secrets of Kafka
  for_each   = local.secret_holders
  name       = "${var.name}/${each.key}/by-hand"
  kms_key_id = aws_kms_key.data.arn
  replica {
    region     = var.backup_region
    kms_key_id = aws_kms_key.copies.arn
  }
}
