# Three brokers in three zones. Topics are made by `attendance-schemas apply`, rules by `attendance-deploy access`.
resource "aws_msk_configuration" "this" {
  name              = var.name
  kafka_versions    = [var.kafka.version]
  server_properties = <<-PROPERTIES
    auto.create.topics.enable=false
    unclean.leader.election.enable=false
    default.replication.factor=3
    min.insync.replicas=2
    offsets.retention.minutes=86400
    allow.everyone.if.no.acl.found=${!var.kafka.closed}
  PROPERTIES
}

resource "aws_msk_cluster" "this" {
  cluster_name           = var.name
  kafka_version          = var.kafka.version
  number_of_broker_nodes = 3
  enhanced_monitoring    = "PER_TOPIC_PER_BROKER"

  broker_node_group_info {
    instance_type   = var.kafka.instance
    client_subnets  = [for subnet in aws_subnet.private : subnet.id]
    security_groups = [aws_security_group.engine["kafka"].id]
    storage_info {
      ebs_storage_info { volume_size = var.kafka.disk_gb }
    }
  }
  configuration_info {
    arn      = aws_msk_configuration.this.arn
    revision = aws_msk_configuration.this.latest_revision
  }
  client_authentication {
    unauthenticated = false
    sasl { scram = true }
  }
  encryption_info {
    encryption_at_rest_kms_key_arn = aws_kms_key.data.arn
    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }
  open_monitoring {
    prometheus {
      jmx_exporter { enabled_in_broker = true }
    }
  }
  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.kafka.name
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "kafka" {
  name              = "/${var.name}/kafka"
  retention_in_days = 400
  kms_key_id        = aws_kms_key.data.arn
}

# The name that a login has in Kafka is User:IDENTITY, as in access.yaml. `administrator` makes topics and rules.
locals {
  kafka_logins = toset(concat(["administrator"], [for name, identity in local.identities : name if can(identity.kafka)]))
}

resource "random_password" "kafka" {
  for_each = local.kafka_logins
  length   = 32
  special  = false
}

resource "aws_secretsmanager_secret" "kafka" {
  #checkov:skip=CKV2_AWS_57:a new password needs new pods at the same moment: production.md says how it is changed
  for_each   = local.kafka_logins
  name       = "AmazonMSK_${var.name}_${each.key}"
  kms_key_id = aws_kms_key.data.arn
  replica {
    region     = var.backup_region
    kms_key_id = aws_kms_key.copies.arn
  }
}

resource "aws_secretsmanager_secret_version" "kafka" {
  for_each      = local.kafka_logins
  secret_id     = aws_secretsmanager_secret.kafka[each.key].id
  secret_string = jsonencode({ username = each.key, password = random_password.kafka[each.key].result })
}

# Kafka itself compares passwords with these.
resource "aws_secretsmanager_secret_policy" "kafka" {
  for_each   = local.kafka_logins
  secret_arn = aws_secretsmanager_secret.kafka[each.key].arn
  policy     = data.aws_iam_policy_document.kafka_secret[each.key].json
}

data "aws_iam_policy_document" "kafka_secret" {
  for_each = local.kafka_logins
  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [aws_secretsmanager_secret.kafka[each.key].arn]
    principals {
      type        = "Service"
      identifiers = ["kafka.amazonaws.com"]
    }
  }
}

resource "aws_msk_scram_secret_association" "this" {
  cluster_arn     = aws_msk_cluster.this.arn
  secret_arn_list = [for secret in aws_secretsmanager_secret.kafka : secret.arn]
  depends_on      = [aws_secretsmanager_secret_version.kafka]
}
