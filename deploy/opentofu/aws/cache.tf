# Presence and device sequences; both are made again when they are lost.
resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = [for subnet in aws_subnet.private : subnet.id]
}

resource "aws_elasticache_replication_group" "this" {
  replication_group_id       = var.name
  description                = "Valkey of ${var.name}"
  engine                     = "valkey"
  engine_version             = "8.2"
  node_type                  = var.cache_node
  num_cache_clusters         = 2
  automatic_failover_enabled = true
  multi_az_enabled           = true
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [aws_security_group.engine["valkey"].id]
  transit_encryption_enabled = true
  at_rest_encryption_enabled = true
  kms_key_id                 = aws_kms_key.data.arn
  user_group_ids             = [aws_elasticache_user_group.this.user_group_id]
}

# A login for each identity, with its keys and its commands from access.yaml.
locals {
  cache_logins = { for name, identity in local.identities : name => identity.valkey if can(identity.valkey.keys) }
}

resource "random_password" "cache" {
  for_each = local.cache_logins
  length   = 32
  special  = false
}

resource "aws_elasticache_user" "this" {
  for_each  = local.cache_logins
  user_id   = "${var.name}-${each.key}"
  user_name = each.key
  engine    = "valkey"
  access_string = join(" ", concat(
    ["on"],
    [for pattern in each.value.keys : "${try(each.value.read_only, false) ? "%R" : ""}~${pattern}"],
    ["-@all"],
    [for command in each.value.commands : "+${command}"],
  ))
  authentication_mode {
    type      = "password"
    passwords = [random_password.cache[each.key].result]
  }
}

resource "aws_elasticache_user_group" "this" {
  user_group_id = var.name
  engine        = "valkey"
  user_ids      = [for user in aws_elasticache_user.this : user.user_id]
}
